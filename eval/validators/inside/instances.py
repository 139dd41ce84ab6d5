"""Instances of a class that both sides define: converted to attributes, and rebuilt from them.

Each side uses the methods of its own class, so no code of the candidate's class runs with the
tests.
"""

from __future__ import annotations

from .plain import base_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing

    from .wire import Wire

FIXED = (tuple, frozenset, int, str, float)
OPEN = (list, dict, set, object)


def take_apart(wire: Wire, value: typing.Any, kind: type) -> list[typing.Any]:
    """Attributes of an instance, and the data of the built-in type that its class is derived
    from."""
    if type(kind).__name__.startswith("Enum"):
        return ["instance", [], [kind.__name__, None, None, value.name]]
    base = list(value.args) if isinstance(value, BaseException) else base_value(value)
    state = dict(getattr(value, "__dict__", {}))
    for owner in kind.__mro__:
        slots = owner.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name[:2] != "__" and hasattr(value, name):
                state[name] = getattr(value, name)
    data: object = None
    if isinstance(base, dict):
        data = wire.pairs(base)
    elif isinstance(base, (list, set)):
        data = [wire.encode(item) for item in base]
    made = None if data is not None else wire.encode(base)
    return ["instance", wire.pairs(state), [kind.__name__, made, data, None]]


def shell(wire: Wire, content: list[typing.Any]) -> typing.Any:
    """A new instance without its attributes."""
    name, made, _, member = content[2]
    cls = wire.shared(name)
    if member is not None:
        return cls[member]
    if issubclass(cls, BaseException):
        return BaseException.__new__(cls)
    for base in FIXED:
        if issubclass(cls, base):
            return base.__new__(cls, wire.decode(made))
    return next(base for base in OPEN if issubclass(cls, base)).__new__(cls)


def restore(wire: Wire, value: typing.Any, content: list[typing.Any]) -> None:
    """Set an instance's attributes, and its data, in place."""
    _, _, data, member = content[2]
    if member is not None:
        return
    if isinstance(value, BaseException):
        value.args = tuple(wire.decode(item) for item in data)
    elif isinstance(value, dict):
        dict.clear(value)
        dict.update(value, wire.mapping(data))
    elif isinstance(value, list):
        list.__setitem__(value, slice(None), [wire.decode(item) for item in data])
    elif isinstance(value, set):
        set.clear(value)
        set.update(value, [wire.decode(item) for item in data])
    state = wire.mapping(content[1])
    own = getattr(value, "__dict__", None)
    if own is not None:
        for name in [name for name in own if name not in state]:
            del own[name]
    for name, item in state.items():
        if own is not None and not hasattr(getattr(type(value), name, None), "__set__"):
            own[name] = item
        else:
            object.__setattr__(value, name, item)
