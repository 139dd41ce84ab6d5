"""Plain data: the types that are copied between the processes, and how they are decomposed."""

from __future__ import annotations

import builtins
import collections
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing

SINGLE = {"Ellipsis": Ellipsis, "NotImplemented": NotImplemented}
CONTAINERS = (
    list, dict, set, bytearray, collections.deque, collections.OrderedDict, collections.Counter,
    collections.defaultdict, types.SimpleNamespace,
)  # fmt: skip
KINDS = {kind.__name__: kind for kind in CONTAINERS}
DATA = (
    object, bool, int, float, complex, str, bytes, tuple, frozenset, range, slice, type(None),
)  # fmt: skip
NAMED_TYPES: dict[str, type] = {
    name: value
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
}
NAMED_TYPES.update(KINDS, **{kind.__name__: kind for kind in DATA})
TYPE_NAMES = {value: name for name, value in reversed(list(NAMED_TYPES.items()))}


class Limit(BaseException):
    """A value that cannot be sent between the processes, or is refused; ``str`` names it.

    Not an ``Exception``, and recorded permanently, so that code which suppresses it gains nothing.
    """

    noted: typing.ClassVar[list[str]] = []

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.noted.append(what)


def _moment(value: typing.Any) -> list[object]:
    fields = ("year", "month", "day", "hour", "minute", "second", "microsecond", "tzinfo", "fold")
    return [getattr(value, name) for name in fields if hasattr(value, name)]


def _make_moment(made: typing.Any, *args: typing.Any) -> object:
    return made(*args[:-1], fold=args[-1])


PLAIN_OF: dict[tuple[str, str], typing.Callable[[typing.Any], list[object]]] = {
    ("builtins", "range"): lambda v: [v.start, v.stop, v.step],
    ("builtins", "slice"): lambda v: [v.start, v.stop, v.step],
    ("builtins", "complex"): lambda v: [v.real, v.imag],
    ("decimal", "Decimal"): lambda v: [str(v)],
    ("fractions", "Fraction"): lambda v: [v.numerator, v.denominator],
    ("datetime", "date"): _moment,
    ("datetime", "time"): _moment,
    ("datetime", "datetime"): _moment,
    ("datetime", "timedelta"): lambda v: [v.days, v.seconds, v.microseconds],
    ("datetime", "timezone"): lambda v: [v.utcoffset(None), v.tzname(None)],
    ("zoneinfo", "ZoneInfo"): lambda v: [v.key],
    ("uuid", "UUID"): lambda v: [v.hex],
    ("pathlib", "PosixPath"): lambda v: [str(v)],
    ("pathlib", "PurePosixPath"): lambda v: [str(v)],
    ("re", "Pattern"): lambda v: [v.pattern, v.flags],
}
"""Immutable types that are rebuilt from plain data, by module and name."""
VIEWS = {"dict_keys": 0, "dict_values": 1, "dict_items": 2}


def remake(module: str, name: str, args: list[object]) -> object:
    """The value that ``PLAIN_OF`` decomposed."""
    if (module, name) not in PLAIN_OF:
        raise ValueError("unknown type")
    if module == "re":
        name = "compile"
    made: typing.Any = getattr(__import__(module), name)
    if name in ("time", "datetime"):
        return _make_moment(made, *args)
    return made(*args)


def base_value(value: typing.Any) -> object:
    """The data of the built-in type that the class of ``value`` is derived from; None without one.

    Methods that the class overrides are not called.
    """
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__index__(value)
    if isinstance(value, float):
        return float.__float__(value)
    kinds: tuple[typing.Any, ...] = (tuple, list, set, frozenset)
    for kind in kinds:
        if isinstance(value, kind):
            return kind(kind.__iter__(value))
    if isinstance(value, dict):
        return dict(dict.items(value))
    return None
