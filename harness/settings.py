"""Settings of a run. Precedence: command line, ``HARNESS_*``, ``harness.toml``, defaults.

A setting has one name in three spellings: ``--max-tokens``, ``HARNESS_MAX_TOKENS``, and a key of
``harness.toml``, which is looked for in the working folder and upwards, below the home folder.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from harness.report import BackendName, RoutingMode, RunOptions, ScorerName, Strategy
from harness.wiring import POCKET
from specialists.registry import Described
from state.errors import UsageError
from tiers.memory import MemoryPolicy, Packs
from tiers.protocol import Budget

FILE_NAME = "harness.toml"
ENV_PREFIX = "HARNESS_"
SECTIONS = ("backend", "run", "budget", "memory", "routing", "prices")
DESCRIBED = "specialists"
"""Section of the descriptions of adapters that an endpoint lists."""
_PATHS = ("fleet", "recording", "record")
_ONLY_FOR = {"base_url": "openai", "model": "openai", "api_key": "openai", "recording": "recorded"}


@dataclass(frozen=True)
class Key:
    """Where a setting stands in ``harness.toml``; ``example`` shows one that has no default."""

    section: str
    name: str
    example: object = None


Count = Annotated[int | None, Field(gt=0)]
Amount = Annotated[float | None, Field(gt=0, allow_inf_nan=False)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Settings(BaseSettings):
    """All that a user can set. The line under a setting is its help wherever it is shown."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, extra="forbid", frozen=True,
        use_attribute_docstrings=True,
    )  # fmt: skip

    backend: Annotated[BackendName, Key("backend", "name")] = "local"
    """Who runs the model: local (embedded), openai (any compatible endpoint), recorded (a file)."""
    base_url: Annotated[str | None, Key("backend", "base_url", "http://127.0.0.1:8000/v1")] = None
    """Endpoint of the openai backend."""
    api_key: str | None = Field(default=None, repr=False)
    """Key for the endpoint; OPENAI_API_KEY serves as well."""
    model: Annotated[str | None, Key("backend", "model", "base")] = None
    """Name of the base model at the endpoint."""
    max_connections: Annotated[int, Field(gt=0), Key("backend", "max_connections")] = 64
    """Most requests in flight at the endpoint."""
    request_timeout: Annotated[Amount, Key("backend", "request_timeout", 600.0)] = None
    """Most seconds that the endpoint may take to answer; without it, by the endpoint's speed."""
    score_concurrency: Annotated[int, Field(gt=0), Key("backend", "score_concurrency")] = 1
    """Most texts scored at once at the endpoint; above 1, some servers break down."""
    recording: Annotated[str | None, Key("backend", "recording", "calls.jsonl")] = None
    """File that the recorded backend answers from."""
    record: str | None = None
    """File to record every call of this run into."""
    fleet: Annotated[str | None, Key("backend", "fleet", "my-fleet")] = None
    """Folder of base model and adapters; without it, the embedded pocket fleet."""
    specialists: dict[str, Described] = Field(default_factory=dict)
    """Adapters that the endpoint lists, each described in a section [specialists.NAME]."""
    strategy: Annotated[Strategy, Key("run", "strategy")] = "auto"
    """direct asks once, plan decomposes at once, auto climbs from one to the other on evidence."""
    specialist: Annotated[str | None, Key("run", "specialist", "math")] = None
    """Send every step to this specialist instead of routing it."""
    seed: Annotated[int, Field(ge=0), Key("run", "seed")] = 0
    """Seed of every sample."""
    temperature: Annotated[float, Field(ge=0, le=2), Key("run", "temperature")] = 0.0
    """Least temperature of every sample; at 0 first samples are greedy, further ones are not."""
    approve: Annotated[Literal["plan"] | None, Key("run", "approve", "plan")] = None
    """plan: pause for a person's yes after planning."""
    max_calls: Annotated[Count, Key("budget", "max_calls", 500)] = None
    """Most model calls of a run."""
    max_tokens: Annotated[Count, Key("budget", "max_tokens", 200_000)] = None
    """Most tokens of a run, prompts and answers together."""
    max_cost: Annotated[Amount, Key("budget", "max_cost", 0.5)] = None
    """Most US dollars of a run, by the prices below."""
    timeout: Annotated[Amount, Key("budget", "timeout", 600.0)] = None
    """Most seconds of work on a run; the pause before a resume does not count."""
    packs: Annotated[Packs, Key("memory", "packs")] = "on"
    """Context packs for chat models: on (ranked in full), recency (the newest beads), off."""
    routines: Annotated[bool, Key("memory", "routines")] = True
    """Try first how problems of the kind were verifiably solved before."""
    insights: Annotated[bool, Key("memory", "insights")] = True
    """Learn from repairs which remedy fits which fault."""
    decay: Annotated[bool, Key("memory", "decay")] = True
    """Let what was expected fade from memory; what was surprising stays either way."""
    scorer: Annotated[ScorerName, Key("routing", "scorer")] = "embedding"
    """Who rates the specialists: by likeness, by loss, or as learned from verified outcomes."""
    routing_mode: Annotated[RoutingMode, Key("routing", "mode")] = "winner_take_all"
    """How ratings become a choice: the best, a sample, a team at once or in turn, or adaptive."""
    embedder: Annotated[str | None, Key("routing", "embedder", "all-MiniLM-L6-v2")] = None
    """sentence-transformers name or folder; without it, all-MiniLM-L6-v2 from its package."""
    price_prompt: Annotated[Price, Key("prices", "prompt")] = 0.0
    """US dollars per million prompt tokens."""
    price_completion: Annotated[Price, Key("prices", "completion")] = 0.0
    """US dollars per million completion tokens."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = find_file()
        from_file = read_file(file) if file else {}
        return init_settings, env_settings, InitSettingsSource(settings_cls, from_file)

    def options(self) -> RunOptions:
        """The options of a run. Raises UsageError where two settings do not go together."""
        if self.backend == "recorded" and not self.recording:
            raise UsageError("--backend recorded needs --recording FILE, the calls to answer from")
        if self.record and self.recording and Path(self.record) == Path(self.recording):
            raise UsageError(f"--record would overwrite the recording {self.recording}")
        priced = self.backend != "openai" or self.price_prompt or self.price_completion
        if self.max_cost and not priced:
            raise UsageError(
                "--max-cost limits nothing without prices: set [prices] in harness.toml, or "
                "HARNESS_PRICE_PROMPT and HARNESS_PRICE_COMPLETION"
            )
        return RunOptions(
            backend=self.backend,
            base_url=self.base_url,
            api_key=self.api_key,
            model=self.model,
            max_connections=self.max_connections,
            request_timeout=self.request_timeout,
            score_concurrency=self.score_concurrency,
            recording=self.recording,
            record=self.record,
            fleet=self.fleet,
            strategy=self.strategy,
            specialists=self.specialists,
            specialist=self.specialist,
            scorer=self.scorer,
            routing_mode=self.routing_mode,
            embedder=self.embedder,
            memory=MemoryPolicy(
                packs=self.packs,
                routines=self.routines,
                insights=self.insights,
                decay=self.decay,
            ),
            budget=Budget(
                calls=self.max_calls,
                tokens=self.max_tokens,
                cost=self.max_cost,
                seconds=self.timeout,
            ),
            seed=self.seed,
            temperature=self.temperature,
            approve=self.approve,
            price_prompt=self.price_prompt,
            price_completion=self.price_completion,
        )


def places() -> list[tuple[str, FieldInfo, Key]]:
    """Every setting that ``harness.toml`` may hold: its name, its field, its place there."""
    found = []
    for name, field in Settings.model_fields.items():
        found += [(name, field, mark) for mark in field.metadata if isinstance(mark, Key)]
    return found


def load(flags: Mapping[str, object] | None = None, *, as_flags: bool = True) -> Settings:
    """The settings in force; ``flags`` come from the command line, ``None`` is not given.

    Without ``as_flags`` they are keyword arguments, and messages name them so. Raises UsageError, one
    line: the flag, variable, or file and key that is wrong, and why.
    """
    given: dict[str, Any] = {n: value for n, value in (flags or {}).items() if value is not None}
    named = _flag if as_flags else str
    for name in given:
        if name not in Settings.model_fields:
            raise UsageError(f"no setting {name!r}{_near(name, Settings.model_fields)}")
    for name in set(given) & set(_PATHS):
        given[name] = str(Path(str(given[name])).expanduser())
    if "OPENAI_API_KEY" in os.environ and not os.environ.get("HARNESS_API_KEY"):
        given.setdefault("api_key", os.environ["OPENAI_API_KEY"] or None)
    try:
        settings = Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        variable = ENV_PREFIX + name.upper()
        where = named(name) if name in given else variable
        raise UsageError(f"{where}: {_says(first['msg'])}, not {first['input']!r}") from None
    for name, backend in _ONLY_FOR.items():
        if (flags or {}).get(name) is not None and settings.backend != backend:
            raise UsageError(
                f"{named(name)} is for {named('backend')} {backend}, but this run's backend is "
                f"{settings.backend}"
            )
    return settings


def find_file() -> Path | None:
    """The nearest ``harness.toml``: in the working folder, or above it below home and root."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if folder != here and folder in (Path.home(), Path(folder.anchor)):
            return None
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    return None


def read_file(file: Path) -> dict[str, Any]:
    """Settings by name from a ``harness.toml``; relative paths start at its folder.

    Raises UsageError naming the file, and the line or the key that is wrong.
    """
    try:
        sections = tomllib.loads(file.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file}: {error}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: is not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from None
    known = {(key.section, key.name): (name, field) for name, field, key in places()}
    values: dict[str, Any] = {}
    for section, table in sections.items():
        if section == DESCRIBED:
            values[DESCRIBED] = _described(file, table)
            continue
        if section not in SECTIONS:
            raise UsageError(f"{file}: unknown section [{section}]{_near(section, SECTIONS)}")
        if not isinstance(table, dict):
            raise UsageError(f"{file}: {section} is a section: write [{section}] above its keys")
        for key, value in table.items():
            if (section, key) not in known:
                if key == "api_key":
                    raise UsageError(f"{file}: [{section}] api_key: set HARNESS_API_KEY instead")
                near = _near(key, [k for s, k in known if s == section])
                raise UsageError(f"{file}: unknown key [{section}] {key}{near}")
            name, field = known[section, key]
            values[name] = _checked(f"{file}: [{section}] {key}", field, value)
            if name in _PATHS and value != POCKET:
                values[name] = str(file.parent / Path(values[name]).expanduser())
    return values


def _described(file: Path, table: object) -> dict[str, Described]:
    """The sections [specialists.NAME]."""
    try:
        return TypeAdapter(dict[str, Described]).validate_python(table)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join((DESCRIBED, *(str(part) for part in first["loc"])))
        raise UsageError(f"{file}: {where}: {_says(first['msg'])}") from None


def _checked(where: str, field: FieldInfo, value: object) -> object:
    """``value`` if it has the setting's type: TOML knows numbers from texts, so this is strict."""
    wanted: Any = Annotated[(field.annotation, *field.metadata)]
    try:
        return TypeAdapter[Any](wanted).validate_python(value, strict=True)
    except ValidationError as error:
        says = _says(error.errors(include_url=False)[0]["msg"])
        raise UsageError(f"{where}: {says}, not {value!r}") from None


def _says(message: str) -> str:
    return message.removeprefix("Input ").split(", unable to")[0]


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _near(word: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(names)}"
