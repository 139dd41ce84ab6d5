"""The candidate's access to the classes that the tests define.

A test class exists so that the candidate can create objects of it, or receive some. Its other
contents (expected values, tables of cases) belong to the tests: a candidate that could read or
change them could determine the expected values itself.
"""

from __future__ import annotations

import ast
import sys
import types

from .forwarding import stdlib_only

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing

TESTS = "tests"
"""Name of the module under which the tests' code runs."""
OF_CLASSES = (
    types.FunctionType, classmethod, staticmethod, property, types.MemberDescriptorType,
    types.GetSetDescriptorType, types.MethodDescriptorType, types.WrapperDescriptorType,
)  # fmt: skip
"""Types of class attributes that may be read by name: methods, and descriptors of an object's
attributes."""
PLAIN = (bool, int, float, complex, str, bytes, tuple, frozenset)
MAKERS = ("__init__", "__new__", "__post_init__")


class Lending:
    """Decides by the tests' syntax ``tree`` which classes are lent, and which of their attributes
    may be read."""

    def __init__(self, tree: ast.Module) -> None:
        self.handed = set(_handed(tree))
        """Names that the tests call, or pass on."""
        self.made: dict[int, tuple[object, list[object]]] = {}
        """Objects that the candidate created from the tests' classes, with the arguments that it
        gave."""

    def lends(self, name: str, value: typing.Any) -> bool:
        """Whether a program that does not define ``name`` may use the tests' ``value`` of that
        name."""
        if isinstance(value, types.ModuleType):
            return stdlib_only(value.__name__)
        if isinstance(value, type) and value.__module__ == TESTS:
            is_test = any(base.__name__ == "TestCase" for base in value.__mro__)
            is_test = is_test or any(key.startswith("test") for key in vars(value))
            return name in self.handed and not is_test
        # An object of a standard class is data of the tests: only what has a name there is none.
        if type(value).__module__ == "typing":
            return True
        module, own = getattr(value, "__module__", None), getattr(value, "__name__", None)
        if not isinstance(module, str) or not isinstance(own, str) or not stdlib_only(module):
            return False
        return _same(getattr(sys.modules.get(module), own, None), value)

    def reads(self, target: typing.Any, name: str) -> bool:
        """Whether the candidate may read the public attribute ``name`` of a class of the tests, or
        of an object of one."""
        if isinstance(target, type):
            return _of_class(target, name)
        value, given = self.made.get(id(target), (None, []))
        if value is None:
            return True
        kind = type(target)
        own = getattr(target, "__dict__", {})
        static = own[name] if name in own else _static(kind, name)
        if isinstance(static, (types.MemberDescriptorType, property)):
            static = getattr(target, name, None)
        if not _is_data(static) or any(_same(static, value) for value in given):
            return True
        return not any(_same(static, value) for value in _constants(kind))

    def call(self, target: typing.Any, args: typing.Any, kwargs: typing.Any) -> object:
        """Call ``target`` for the candidate."""
        value = target(*args, **kwargs)
        if type(value).__module__ == TESTS:
            self.made.setdefault(id(value), (value, [*args, *kwargs.values()]))
        return value

    def put(self, target: object, value: object) -> None:
        """Set an attribute of ``target`` for the candidate."""
        if id(target) in self.made:
            self.made[id(target)][1].append(value)


def of_tests(value: object) -> bool:
    """Whether ``value`` is a class of the tests, or an object of one."""
    return type(value).__module__ == TESTS or (
        isinstance(value, type) and value.__module__ == TESTS
    )


def _handed(node: ast.AST) -> typing.Iterator[str]:
    """Names that code calls, passes or keeps; without those of which it only reads an attribute,
    and those used as base classes or annotations."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield node.id
    for field, child in ast.iter_fields(node):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return
        if field in ("bases", "decorator_list", "annotation", "returns"):
            continue
        for inner in child if isinstance(child, list) else [child]:
            if isinstance(inner, ast.AST):
                yield from _handed(inner)


def _of_class(kind: typing.Any, name: str) -> bool:
    if type(kind).__name__.startswith("Enum") and name in kind.__members__:
        return True
    found = _static(kind, name)
    nested = isinstance(found, type) and found.__module__ == TESTS
    return found is None or nested or isinstance(found, OF_CLASSES)


def _static(kind: type, name: str) -> typing.Any:
    """The attribute ``name`` of the class itself, or of a base class."""
    return next((vars(owner)[name] for owner in kind.__mro__ if name in vars(owner)), None)


def _is_data(value: object) -> bool:
    """Whether a value contains information: an empty one is where every object begins."""
    if isinstance(value, (type, *OF_CLASSES)) or value is None:
        return False
    return type(value) not in (*PLAIN, list, dict, set) or bool(value)


def _constants(kind: type) -> typing.Iterator[object]:
    """The constants in the tests' code of a class."""
    for owner in kind.__mro__:
        if owner.__module__ != TESTS:
            continue
        yield from vars(owner).values()
        for maker in MAKERS:
            function = vars(owner).get(maker)
            if isinstance(function, types.FunctionType):
                yield from function.__defaults__ or ()
                yield from (function.__kwdefaults__ or {}).values()
                yield from function.__code__.co_consts


def _same(one: object, other: object) -> bool:
    if one is other:
        return True
    return type(one) is type(other) and type(one) in PLAIN and one == other
