"""Special names: those that a mirror forwards, and those that it answers itself."""

from __future__ import annotations

COMPARE = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
_ARITHMETIC = """
    add sub mul matmul truediv floordiv mod divmod pow lshift rshift and xor or
"""
BINARY = tuple(
    f"__{side}{name}__"
    for name in _ARITHMETIC.split()
    for side in ("", "r", "i")
    if side + name != "idivmod"
)
_OTHERS = """
    __hash__ __bool__ __len__ __length_hint__ __iter__ __next__ __reversed__ __contains__ __getitem__
    __setitem__ __delitem__ __call__ __enter__ __exit__ __neg__ __pos__ __abs__ __invert__ __int__
    __float__ __complex__ __index__ __round__ __trunc__ __floor__ __ceil__ __str__ __repr__ __format__
    __bytes__ __fspath__ __await__ __aiter__ __anext__ __aenter__ __aexit__ __dir__
"""
SPECIAL = frozenset((*COMPARE, *BINARY, *_OTHERS.split()))
"""The special methods that a mirror forwards where the object's class has them."""
ALWAYS = ("__repr__", "__str__", "__format__")
BASES = (int, str, float, tuple, frozenset, list, dict, set)
FIXED, OPEN = BASES[:5], BASES[5:]
_LOCAL = "__class__ __reduce__ __reduce_ex__ __getstate__ __init_subclass__ __subclasshook__ "
_LOCAL += "__copy__ __deepcopy__"
_OF_ERRORS = """
    args with_traceback add_note __traceback__ __cause__ __context__ __suppress_context__ __notes__
    __setstate__
"""
_OF_CLASSES = """
    __name__ __qualname__ __mro__ mro __bases__ __base__ __module__ __dict__ __class__ __flags__ __new__
    __init__ __subclasses__ __instancecheck__ __subclasscheck__ __basicsize__ __abstractmethods__
    __init_subclass__ __text_signature__ __weakrefoffset__ __own__
"""
LOCAL = frozenset(_LOCAL.split())
OF_ERRORS = LOCAL.union(_OF_ERRORS.split())
OF_CLASSES = SPECIAL.union(_OF_CLASSES.split())
