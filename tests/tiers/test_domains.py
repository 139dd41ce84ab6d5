"""The registry of domains: built-in ones, announced ones, and the modules that may import any of
them."""

from __future__ import annotations

import ast
import asyncio
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eval import get
from eval.domains import evaluations
from eval.schema import problem_from
from eval.suites import packaged
from specialists.registry import ADAPTERS_FOLDER, Registry
from state.errors import SetupError, UsageError
from tests.announcing import package
from tiers.answer import join_sections, sections
from tiers.crafts import PlainCraft
from tiers.domains import BaseDomain, Domain, installed
from tiers.domains.guarding import GIVES
from tiers.protocol import Check, Delegation, Plan, PlanStep, Task

ROOT = Path(__file__).parents[2]
GENERAL = ("tiers", "harness", "eval", "specialists/routing")
BENCHMARKS = {"eval/routing/pocket.py"}
"""Modules that measure the embedded model itself."""
POCKET = Registry.load(ADAPTERS_FOLDER).cards()

ORDER = Delegation(
    id="d", run_id="r", bead_id="b", kind="odd", objective="Do it.", specialist="solver"
)


def folders(context: str) -> list[str]:
    return [path.name for path in (ROOT / context).iterdir() if (path / "__init__.py").exists()]


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports or names, at its top or within a function."""
    for node in ast.walk(ast.parse(path.read_text("utf8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            module = ".".join([*package, node.module or ""]).strip(".")
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value  # It may be what ``import_module`` is given.


@pytest.mark.slow
def test_no_general_module_imports_a_domain_or_the_embedded_model() -> None:
    own = {
        f"{context}.domains.{name}"
        for context in ("tiers", "eval")
        for name in folders(f"{context}/domains")
    }
    assert {"tiers.domains.story", "eval.domains.function"} <= own
    own.add("specialists.pocket")
    seen, wrong = 0, []
    for path in (p for context in GENERAL for p in sorted((ROOT / context).rglob("*.py"))):
        place = path.relative_to(ROOT).as_posix()
        inside = place.replace("/", ".")
        if place in BENCHMARKS or any(inside.startswith(f"{domain}.") for domain in own):
            continue
        seen += 1
        wrong += [
            f"{place} imports {module}"
            for module in imports(path)
            if any(module == domain or module.startswith(f"{domain}.") for domain in own)
        ]
    assert seen > 100
    assert wrong == []


def test_every_built_in_domain_and_craft_is_whole() -> None:
    for domain in installed():
        assert isinstance(domain, Domain)
    assert {domain.name for domain in installed()} == set(folders("tiers/domains"))
    assert {each.name for each in evaluations()} == set(folders("eval/domains"))


@pytest.mark.parametrize(
    ("task", "name"),
    [
        (Task(id="x", kind="text", statement="What is the capital of France?"), "text"),
        (Task(id="x", kind="text", statement="12 + 3 * 4"), "story"),
        (Task(id="x", kind="story", statement="Anything at all."), "story"),
        (Task(id="x", kind="code", statement="12 + 3 * 4"), "function"),
        (Task(id="x", kind="text", statement="Do it.",
              public_checks=(Check(kind="stdio", spec={}),)), "function"),
    ],
)  # fmt: skip
def test_who_is_surest_of_a_task(task: Task, name: str) -> None:
    ranked = installed().ranked(task, POCKET)
    assert ranked[0].name == name
    assert ranked[-1].name == "text"


def test_a_confidence_that_is_no_number_does_not_count(tmp_path: Path) -> None:
    code = MADE.format(name="odd", kind="odd", craft="PlainCraft()")
    code += "    def recognise(self, task, fleet): return float('nan')\n"
    code = code.replace("DOMAIN = Odd\n", "") + "DOMAIN = Odd\n"
    pyproject = '[project.entry-points."hi_moe.domains"]\nodd = "odd_domain:DOMAIN"\n'
    task = Task(id="x", kind="story", statement="Anything at all.")
    with package(tmp_path, "odd_domain", code, pyproject):
        names = [domain.name for domain in installed().ranked(task, POCKET)]
    assert names == ["story", "text"]


def test_a_step_that_names_its_domain_is_that_domain_s() -> None:
    plain, named = installed().craft("code", {}), installed().craft("code", {"story": True})
    assert plain is not named
    assert plain.shows_inputs
    assert not named.shows_inputs


def test_a_kind_that_nobody_knows_is_refused_in_one_line() -> None:
    with pytest.raises(SetupError, match="no domain has steps of kind 'dance'; kinds: code, ") as e:
        installed().craft("dance", {})
    assert "\n" not in str(e.value)


def announce(tmp_path: Path, code: str, group: str = "hi_moe.domains") -> str:
    """The line that a package with this code ends in."""
    pyproject = f'[project.entry-points."{group}"]\nodd = "odd_domain:DOMAIN"\n'
    look: Callable[[], object] = installed if group == "hi_moe.domains" else evaluations
    with package(tmp_path, "odd_domain", code, pyproject), pytest.raises(SetupError) as error:
        look()
    return str(error.value)


MADE = """
from tiers.crafts import PlainCraft
from tiers.domains import BaseDomain
class Odd(BaseDomain):
    name = {name!r}
    crafts = {{{kind!r}: {craft}}}
DOMAIN = Odd
"""
SECTIONED = """
from tiers.domains import BaseDomain
class DOMAIN(BaseDomain):
    name, crafts, sections = "odd", {{}}, ("{}",)
"""


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("raise RuntimeError('no\\nluck')", "cannot be loaded: RuntimeError: no luck"),
        ("import not_there_at_all", "cannot be loaded: ModuleNotFoundError"),
        ("", "cannot be loaded: AttributeError"),
        ("class DOMAIN:\n    def __init__(self): raise SystemError", "cannot be loaded: SystemError"),
        ("DOMAIN = 3", "is no domain: it lacks name, "),
        (MADE.format(name="story", kind="odd", craft="PlainCraft()"), "takes the name 'story'"),
        (MADE.format(name="odd", kind="math", craft="PlainCraft()"),
         "takes the kind of step 'math' of the domain 'story'"),
        (SECTIONED.format("a.b"), "has a section 'a.b': a label is a lower-case word"),
        (MADE.format(name="odd", kind="odd", craft="3"), "no whole craft for the kind of step 'odd'"),
    ],
)  # fmt: skip
def test_a_broken_package_is_one_line_that_names_it(tmp_path: Path, code: str, says: str) -> None:
    line = announce(tmp_path, code)
    assert line.startswith("package odd_domain-for-tests: the domain 'odd' ")
    assert says in line
    assert line.endswith("; repair or uninstall the package")
    assert "\n" not in line


@pytest.mark.parametrize("code", ["raise RuntimeError('no')", "DOMAIN = 3"])
def test_a_broken_evaluation_is_one_line_too(tmp_path: Path, code: str) -> None:
    line = announce(tmp_path, code, "hi_moe.evaluations")
    assert line.startswith("package odd_domain-for-tests: the evaluation 'odd' ")
    assert "\n" not in line


RAISES, AMISS = (
    "def {}(self, *_, **__): raise KeyError('no\\nluck')",
    "def {}(self, *_, **__): return 7j",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(GIVES))
@pytest.mark.parametrize(
    ("method", "says"),
    [(RAISES, "raised KeyError: 'no\\nluck'"), (AMISS, "gave complex, not "),
     (f"async {RAISES}", "raised KeyError"), (f"async {AMISS}", "gave complex, not ")],
)  # fmt: skip
def test_what_a_package_does_amiss_is_one_line_that_names_it(
    tmp_path: Path, name: str, method: str, says: str
) -> None:
    code = f"""
from tiers.crafts import PlainCraft
from tiers.domains import BaseDomain
class Move(PlainCraft):
    {method.format(name)}
class DOMAIN(BaseDomain):
    name = "odd"
    crafts = {{"odd": Move()}}
    {method.format(name)}
"""
    pyproject = '[project.entry-points."hi_moe.domains"]\nodd = "odd_domain:DOMAIN"\n'
    with package(tmp_path, "odd_domain", code, pyproject):
        domain = next(domain for domain in installed() if domain.name == "odd")
        guarded = domain if hasattr(BaseDomain, name) else domain.crafts["odd"]

        async def call() -> None:
            await getattr(guarded, name)()

        with pytest.raises(SetupError) as error:
            asyncio.run(call())
    line = str(error.value)
    assert line.startswith("package odd_domain-for-tests: ")
    assert f".{name} {says}" in line
    assert line.endswith("; repair or uninstall the package")
    assert "\n" not in line


def test_every_method_of_domains_and_crafts_is_guarded() -> None:
    methods = {
        name
        for protocol in (BaseDomain, PlainCraft)
        for name, value in vars(protocol).items()
        if inspect.isfunction(value)
    }
    assert methods - {"check"} == {*GIVES}


def test_an_answer_has_the_sections_that_a_package_announces(tmp_path: Path) -> None:
    pyproject = '[project.entry-points."hi_moe.domains"]\nodd = "odd_domain:DOMAIN"\n'
    parts = {"moves": "A to C\n\\moves:\nsolve:\nB", "solve": "3"}
    check = {"kind": "exact", "spec": {"section": "moves", "expected": "A"}}
    fields = {"statement": "x", "hidden_checks": [check]}
    with package(tmp_path, "odd_domain", SECTIONED.format("moves"), pyproject):
        assert sections(join_sections(parts)) == parts
        assert problem_from(fields, "here", "x").hidden_checks
    assert sections("moves:\nA\n\nsolve:\n3") == {"solve": "3"}
    with pytest.raises(UsageError, match="no 'moves'"):
        problem_from(fields, "here", "x")


def test_the_suite_of_a_package_has_problems(tmp_path: Path) -> None:
    code = """
from eval import Problem
from eval.domains import Evaluation, Suite
def made(id):
    return Problem(id=f"odd/{id}", kind="text", statement="Do it.") if id.isdigit() else None
EVALUATION = Evaluation(name="odd", suites={"odd": Suite(about="odd/N: anything", problem=made)})
"""
    pyproject = '[project.entry-points."hi_moe.evaluations"]\nodd = "odd_domain:EVALUATION"\n'
    with package(tmp_path, "odd_domain", code, pyproject):
        assert get("odd", "3").id == "odd/3"
        assert "odd" in packaged()
        with pytest.raises(UsageError, match="ids look like odd/N"):
            get("odd", "x")
    with pytest.raises(UsageError, match="no suite 'odd'"):
        get("odd", "3")


def test_a_whole_domain_of_a_package_is_known(tmp_path: Path) -> None:
    code = MADE.format(name="odd", kind="odd", craft="PlainCraft()")
    pyproject = '[project.entry-points."hi_moe.domains"]\nodd = "odd_domain:DOMAIN"\n'
    with package(tmp_path, "odd_domain", code, pyproject):
        found = next(domain for domain in installed() if domain.name == "odd")
        assert found.crafts["odd"].prompt(ORDER) == "Do it."
        assert found.recognise(Task(id="x", kind="text", statement="x"), []) == 0.0
    assert "odd" not in {domain.name for domain in installed()}


@pytest.mark.parametrize(
    ("names", "inputs", "answer", "says"),
    [
        (("a", "a"), (), "a", "two steps have one name"),
        (("a", "b"), (), "c", "no step has the name 'c'"),
        (("a", "b"), ("c",), "b", "no step has the name 'c'"),
        (("a",), (), "", "no step gives the answer"),
    ],
)
def test_a_plan_names_its_own_steps(
    names: tuple[str, ...], inputs: tuple[str, ...], answer: str, says: str
) -> None:
    steps = tuple(PlanStep(name=n, kind="odd", objective="x", inputs=inputs) for n in names)
    with pytest.raises(ValueError, match=says):
        Plan(steps=steps, answer={"": answer} if answer else {}, decomposer="rules", why="w")
