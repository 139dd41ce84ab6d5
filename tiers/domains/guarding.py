"""Guards the domains of packages: an error or a wrong return value becomes one line naming the
package."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from numbers import Real
from typing import Any

from state.errors import HarnessError, SetupError
from tiers.domains.domain import Approach
from tiers.protocol import Parts, Plan, PlanError, PlanStep

NOTHING = type(None)
GIVES: dict[str, tuple[type, ...]] = {
    "recognise": (Real,), "in_scope": (bool,), "approach": (Approach,), "direct": (PlanStep,),
    "decompose": (Plan, NOTHING), "size": (int,),
    "prompt": (str,), "extract": (str, NOTHING), "routing_text": (str,), "role": (str, NOTHING),
    "worked": (PlanStep,), "misfit": (str,), "redo": (str, NOTHING), "divisible": (bool,),
    "take_apart": (Parts, NOTHING),
}  # fmt: skip
"""Method of a domain or craft → types that it may return. A craft's ``check`` is not guarded,
because a check that fails to run is inconclusive."""


class Guarded:
    """A domain or craft of a package; its methods raise SetupError for whatever goes wrong
    inside."""

    def __init__(self, inner: Any, package: str) -> None:
        self._inner, self._package = inner, package

    @cached_property
    def crafts(self) -> Mapping[str, Guarded]:
        """The domain's crafts, guarded likewise."""
        return {kind: Guarded(craft, self._package) for kind, craft in self._inner.crafts.items()}

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if name not in GIVES:
            return value

        def call(*arguments: Any, **named: Any) -> Any:
            with self._blamed(name):
                given = value(*arguments, **named)
            return (
                self._awaited(name, given) if inspect.isawaitable(given) else self._fit(name, given)
            )

        return call

    async def _awaited(self, name: str, given: Awaitable[Any]) -> Any:
        with self._blamed(name):
            found = await given
        return self._fit(name, found)

    @contextmanager
    def _blamed(self, name: str) -> Iterator[None]:
        try:
            yield
        except (HarnessError, PlanError):
            raise
        except Exception as error:
            raise self._unfit(name, f"raised {type(error).__name__}: {error}") from error

    def _fit(self, name: str, given: Any) -> Any:
        if not isinstance(given, GIVES[name]):
            wanted = " or ".join(kind.__name__ for kind in GIVES[name])
            raise self._unfit(name, f"gave {type(given).__name__}, not {wanted}")
        return given

    def _unfit(self, name: str, why: str) -> SetupError:
        where = f"{type(self._inner).__name__}.{name}"
        says = " ".join(f"package {self._package}: {where} {why}".split())
        return SetupError(f"{says[:300]}; repair or uninstall the package")
