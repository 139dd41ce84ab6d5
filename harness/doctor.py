"""Checks whether this machine can do a run, by testing each requirement."""

from __future__ import annotations

import asyncio
import json
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from harness import settings
from harness.settings import Settings
from state.errors import HarnessError, SetupError

State = Literal["ok", "warn", "fail"]
DISTRIBUTION = "hi-moe"
LEAST_SPACE = 500 * 2**20
"""Bytes of free disk below which the runs folder may become full."""
_REQUIREMENT = re.compile(r"([A-Za-z0-9_.-]+)\s*(?:>=\s*([0-9.]+))?")


class Finding(BaseModel):
    """One line of the doctor's report."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: State
    detail: str
    """The result of the check, and what to do where it is not ok."""


def examine(flags: Mapping[str, object] | None = None) -> Iterator[Finding]:
    """Check everything, one finding after the other; nothing raises, each fault is a finding.

    ``flags`` are settings of the command line.
    """
    pool = ThreadPoolExecutor(1)
    torch = pool.submit(_torch)  # This check takes longer than all others together.
    pool.shutdown(wait=False)
    yield _python()
    yield from _packages()
    yield _tried("sandbox", _sandbox)
    try:
        in_force = settings.load(flags)
        file = settings.find_file()
        in_force.options()
        yield Finding(name="settings", state="ok", detail=str(file or "defaults, no harness.toml"))
    except HarnessError as error:
        yield Finding(name="settings", state="fail", detail=str(error))
        in_force = Settings.model_construct()
    yield from _models(in_force)
    yield _tried("embedder", lambda: _embedder(in_force.embedder))
    yield _tried("domains", _domains)
    yield _tried("runs folder", _runs_folder)
    yield _tried("torch", torch.result)
    if in_force.backend == "openai" or in_force.base_url:
        needed = in_force.backend == "openai"
        yield _tried("endpoint", lambda: _endpoint(in_force), "fail" if needed else "warn")


def _tried(
    name: str, look: Callable[[], str], otherwise: State = "fail", advice: str = ""
) -> Finding:
    try:
        return Finding(name=name, state="ok", detail=look())
    except HarnessError as error:
        return Finding(name=name, state=otherwise, detail=" ".join(str(error).split()) + advice)
    except Exception as error:  # noqa: BLE001 - a library that breaks is what we are looking for
        detail = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}{advice}"
        return Finding(name=name, state=otherwise, detail=detail)


def _python() -> Finding:
    found = f"{platform.python_version()} at {sys.executable}, {platform.platform(terse=True)}"
    return Finding(name="python", state="ok", detail=found)


def _packages() -> Iterator[Finding]:
    """The versions of the required packages, in one line; a further line for each missing or
    outdated one."""
    try:
        required = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        detail = f"{DISTRIBUTION} is not installed here; pip install {DISTRIBUTION}"
        yield Finding(name="packages", state="warn", detail=detail)
        return
    good = []
    for line in required:
        match = _REQUIREMENT.match(line)
        if match is None or "extra ==" in line:
            continue
        name, least = match[1], match[2]
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            detail = f"{name} is missing; pip install '{name}>={least or 0}'"
            yield Finding(name="packages", state="fail", detail=detail)
            continue
        if least and _numbers(found) < _numbers(least):
            detail = f"{name} {found} is too old; pip install '{name}>={least}'"
            yield Finding(name="packages", state="fail", detail=detail)
            continue
        good.append(f"{name} {found}")
    own = f"{DISTRIBUTION} {metadata.version(DISTRIBUTION)}"
    yield Finding(name="packages", state="ok", detail=", ".join([own, *good]))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3])


_TRY_TORCH = """
import json, torch
device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU"
print(json.dumps([torch.__version__, device, torch.get_num_threads()]))
"""


def _torch() -> str:
    """Result of importing torch in a separate process, beside the other checks and safe from its
    crashes."""
    command = [sys.executable, "-P", "-c", _TRY_TORCH]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise SetupError(f"it cannot be imported: {last}; reinstall torch")
    version, device, threads = json.loads(done.stdout.splitlines()[-1])
    return f"{version}, {device}, {threads} threads"


def _sandbox() -> str:
    from eval.sandbox import BubblewrapSandbox

    result = asyncio.run(BubblewrapSandbox().run("print(6 * 7)"))
    if not result.ok or result.stdout.strip() != "42":
        raise SetupError(f"bubblewrap started, but a program in it failed: {result.reason}")
    return f"ran a program in {result.seconds:.2f} s"


def _models(in_force: Settings) -> Iterator[Finding]:
    """Check base and adapters against their hashes, where the configured backend uses them."""
    from harness.wiring import PROMPT_FLEET, folders
    from specialists import Registry, base_digest, check_fit

    if in_force.backend != "local" and in_force.fleet is None:
        names = ", ".join(card.name for card in PROMPT_FLEET)
        detail = f"specialists by prompt: {names}; no weights here are used"
        yield Finding(name="fleet", state="ok", detail=detail)
        return
    needed: State = "fail" if in_force.backend == "local" else "warn"

    def base_model() -> str:
        base = folders(in_force.fleet)[0]
        return f"digest {base_digest(base)} at {base}"

    def adapters() -> str:
        base, folder = folders(in_force.fleet)
        registry = Registry.load(folder)
        for card in registry.cards():
            check_fit(folder / card.name, base)
        if not registry.cards():
            raise SetupError(f"no adapters at {folder}")
        names = ", ".join(f"{card.name} {card.adapter}" for card in registry.cards())
        return f"{len(registry.cards())} adapters as their cards say: {names}"

    advice = f"; reinstall {DISTRIBUTION}" if in_force.fleet is None else "; see --fleet"
    yield _tried("base model", base_model, needed, advice)
    yield _tried("adapters", adapters, "fail", advice)


def _embedder(model: str | None) -> str:
    from specialists.routing.embedder import Embedder, check_weights, default_folder

    if model is None:
        folder = default_folder()
        check_weights(folder)
        return f"all-MiniLM-L6-v2 at {folder}, hash checked"
    dimension = Embedder(model).embed(["a"]).shape[1]
    return f"{model}, {dimension} dimensions"


def _domains() -> str:
    from eval.domains import evaluations
    from tiers.domains import installed

    evaluations()
    return ", ".join(domain.name for domain in installed())


def _runs_folder() -> str:
    from state import BeadStore, database_url, home, writable_home

    folder = writable_home()
    url = database_url()
    if "://" in url and not (folder / "state.db").is_file() and url.startswith("sqlite"):
        note = "no runs yet"
    else:
        BeadStore.open(url).close_database()
        note = "the state database opens"
    free = shutil.disk_usage(Path(folder)).free
    if free < LEAST_SPACE:
        raise SetupError(f"{home()} has only {free / 2**20:.0f} MB free; make room there")
    return f"{folder} is writable, {note}, {free / 2**30:.0f} GB free"


def _endpoint(in_force: Settings) -> str:
    from specialists.backends.openai import OpenAICompatibleBackend

    url, model = in_force.base_url, in_force.model
    if not url or not model:
        raise SetupError("the openai backend needs base_url and model; set both")

    async def listed() -> list[str]:
        backend = OpenAICompatibleBackend(
            url, model, api_key=in_force.api_key or "none", timeout=5, max_retries=0
        )
        try:
            return [served.id for served in await backend.models()]
        finally:
            await backend.close()

    served = asyncio.run(listed())
    if in_force.model not in served:
        some = ", ".join(served[:8]) or "nothing"
        raise SetupError(f"{in_force.base_url} does not serve {in_force.model!r}; it has {some}")
    return f"{in_force.base_url} serves {in_force.model}"
