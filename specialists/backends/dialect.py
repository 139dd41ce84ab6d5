"""The parameters of a chat completion that an endpoint accepts, learned from its refusals.

Reasoning models refuse ``max_tokens`` under that name and a temperature; other servers know no
``seed`` or ``top_p``. A refused parameter is left out or renamed for the rest of the connection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from specialists.backends.failures import Failure

RENAMED = {"max_tokens": "max_completion_tokens"}
"""Parameters that are sent under another name after the first one is refused."""
OPTIONAL = ("temperature", "top_p", "seed", "stop", "response_format")
"""Parameters that a request can omit; the answer then gets a remark."""
UNSUPPORTED = re.compile(
    r"unsupported|not support|n't support|unrecognized|unknown|unexpected|not permitted|not allowed|"
    r"deprecated|only the default|not available|not implemented",
    re.IGNORECASE,
)
"""Words with which endpoints refuse a parameter. The few that send a code as well use
``unsupported_parameter`` or ``unsupported_value``; most use words alone."""


@dataclass(frozen=True)
class Dialect:
    """How parameters are sent: ``renamed`` ones under their other name, ``dropped`` ones not at
    all."""

    renamed: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()

    def put(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """``body`` with the parameters that this endpoint accepts."""
        return {
            RENAMED[name] if name in self.renamed else name: value
            for name, value in body.items()
            if name not in self.dropped
        }

    def missing(self, body: Mapping[str, Any]) -> frozenset[str]:
        """Names of the parameters that :meth:`put` leaves out."""
        return self.dropped & body.keys()

    def after(self, failure: BaseException | None, sent: Mapping[str, Any]) -> Dialect:
        """The dialect after an endpoint refused ``sent``; unchanged where the failure says nothing
        new."""
        if not isinstance(failure, Failure):
            return self
        says = str(failure)
        for name, other in RENAMED.items():
            if name in sent and re.search(rf"\b{other}\b", says):
                return Dialect(self.renamed | {name}, self.dropped)
        if "response_format" in sent and "response_format" in (failure.param, *_words(says)):
            # Any complaint about the format or its schema: the answer can be parsed without it.
            return Dialect(self.renamed, self.dropped | {"response_format"})
        if not (UNSUPPORTED.search(says) or "unsupported" in " ".join(failure.codes)):
            return self
        named = [n for n in OPTIONAL if n in sent and re.search(rf"\b{n}\b", says)]
        if failure.param in OPTIONAL and failure.param in sent:
            named = [failure.param]
        return Dialect(self.renamed, self.dropped | set(named))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def cut_at(text: str, stops: Sequence[str]) -> str:
    """``text`` before the first of ``stops``, because some endpoints do not stop there."""
    places = [place for stop in stops if stop and (place := text.find(stop)) >= 0]
    return text[: min(places)] if places else text
