"""Marks of shared containers: their content when both sides last agreed, to detect changes since
then.

A mark holds the elements themselves, so comparing costs an identity check for each of them and no
encoding. Elements are immutable, or shared and marked on their own, or named.
"""

from __future__ import annotations

import collections
import operator
import types

from .plain import CONTAINERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing

Mark = list[list[object]]
"""The elements of a container, or its keys and values."""


def marked(value: typing.Any) -> Mark | None:
    """The mark of a container's present content; None for a kind that must be encoded to be
    compared."""
    parts = _parts(value)
    return None if parts is None else [list(part) for part in parts]


def unchanged(value: typing.Any, mark: Mark) -> bool:
    """Whether a container holds the same elements as its mark, in the same order."""
    parts = _parts(value)
    return parts is not None and all(
        len(now) == len(then) and all(map(operator.is_, now, then))
        for now, then in zip(parts, mark)  # noqa: B905 - Python 3.9
    )


def _parts(value: typing.Any) -> list[typing.Any] | None:
    kind = type(value)
    if kind in (list, set, bytearray, collections.deque):
        return [value]
    if kind is types.SimpleNamespace:
        return [vars(value), vars(value).values()]
    if kind in CONTAINERS:
        factory = getattr(value, "default_factory", None)
        return [value, dict.values(value), [factory]]
    plain = kind.__base__ is object and "__slots__" not in vars(kind) and type(kind) is type
    state = getattr(value, "__dict__", None)
    return [state, state.values()] if plain and type(state) is dict else None
