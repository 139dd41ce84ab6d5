"""The registry of domains: the built-in ones and those that installed packages announce.

A package announces a domain under the entry point group ``hi_moe.domains``; the entry point names
an object that satisfies :class:`tiers.domains.domain.Domain`, or a class that makes one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from specialists.registry import Card
from state.errors import SetupError
from tiers.crafts import Craft
from tiers.domains.domain import Domain
from tiers.domains.guarding import Guarded
from tiers.protocol import Task

GROUP = "hi_moe.domains"
BUILT_IN = ("function", "story", "text")
"""Folders beside this file, each of which defines ``DOMAIN``."""


class Domains:
    """The domains that the tiers of a run know, the first ones taking precedence."""

    def __init__(self, domains: Iterable[Domain]) -> None:
        self._domains = tuple(domains)

    def __iter__(self) -> Iterator[Domain]:
        return iter(self._domains)

    def ranked(self, task: Task, fleet: Sequence[Card]) -> list[Domain]:
        """The domains that recognise ``task``, the surest first; among equals, the one announced
        last is first."""
        sure = [(domain.recognise(task, fleet), k) for k, domain in enumerate(self)]
        able = [(chance, k) for chance, k in sure if chance > 0]  # This comparison also drops NaN.
        return [self._domains[k] for _, k in sorted(able, reverse=True)]

    def craft(self, kind: str, meta: Mapping[str, Any]) -> Craft:
        """The craft of a step, by its kind and its ``meta``.

        Raises SetupError for a kind that no domain has.
        """
        able = [domain for domain in self if kind in domain.crafts]
        if not able:
            known = ", ".join(dict.fromkeys(each for domain in self for each in domain.crafts))
            raise SetupError(
                f"no domain has steps of kind {kind[:60]!r}; kinds: {known} (is the package that "
                "announces them installed?)"
            )
        named = (domain for domain in able if meta.get(domain.name) is True)
        return next(named, able[0]).crafts[kind]

    @cached_property
    def problem_kinds(self) -> tuple[str, ...]:
        """The kinds of problem that at least one domain knows."""
        return tuple(dict.fromkeys(kind for domain in self for kind in domain.problem_kinds))

    @cached_property
    def evidence(self) -> dict[str, str]:
        """Kind of check → words in which the report says that it passed."""
        return {kind: words for domain in self for kind, words in domain.evidence.items()}

    @cached_property
    def sections(self) -> tuple[str, ...]:
        """Labels of the answer sections that domains announce."""
        return tuple(dict.fromkeys(label for domain in self for label in domain.sections))

    @cached_property
    def judges(self) -> dict[str, str]:
        """Kind of check → the section of an answer that it judges."""
        return {kind: section for domain in self for kind, section in domain.judges.items()}

    @cached_property
    def roles(self) -> dict[str, tuple[str, ...]]:
        """Role in a request → domains of the cards that take it."""
        return {role: cards for domain in self for role, cards in domain.roles.items()}


@lru_cache(maxsize=1)
def installed() -> Domains:
    """The built-in domains and those of the installed packages.

    Raises SetupError, one line naming the package, for one that cannot be loaded or does not fit.
    """
    found: list[Domain] = [import_module(f"tiers.domains.{name}").DOMAIN for name in BUILT_IN]
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        domain = _loaded(point)
        _check_new(point, domain, found)
        found.append(domain)
    return Domains(found)


def _loaded(point: EntryPoint) -> Domain:
    try:
        domain = point.load()
        domain = domain() if isinstance(domain, type) else domain
    except Exception as error:
        raise _unfit(point, f"cannot be loaded: {type(error).__name__}: {error}") from error
    lacking = [name for name in _FIELDS if not hasattr(domain, name)]
    if lacking:
        raise _unfit(point, f"is no domain: it lacks {', '.join(lacking)}")
    for kind, craft in domain.crafts.items():
        if not isinstance(craft, Craft):
            raise _unfit(point, f"has no whole craft for the kind of step {kind!r}")
    if bad := [label for label in domain.sections if not re.fullmatch(r"[a-z][a-z0-9_]*", label)]:
        raise _unfit(point, f"has a section {bad[0]!r}: a label is a lower-case word")
    return cast(Domain, Guarded(domain, _package(point)))


_FIELDS = (
    "name", "problem_kinds", "crafts", "evidence", "sections", "judges", "roles", "recognise", "in_scope",
    "approach", "direct", "decompose", "size",
)  # fmt: skip


def _check_new(point: EntryPoint, domain: Domain, others: Sequence[Domain]) -> None:
    """Raise SetupError for a domain whose name or kinds of step belong to another domain."""
    for other in others:
        if other.name == domain.name:
            raise _unfit(point, f"takes the name {domain.name!r} of another domain")
        if taken := sorted(domain.crafts.keys() & other.crafts.keys()):
            raise _unfit(point, f"takes the kind of step {taken[0]!r} of the domain {other.name!r}")


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.module


def _unfit(point: EntryPoint, why: str) -> SetupError:
    says = " ".join(f"package {_package(point)}: the domain {point.name!r} {why}".split())
    return SetupError(f"{says[:300]}; repair or uninstall the package")
