"""A command tree whose parts are imported and built only when they are called.

``harness --help`` needs the name and one line of each command; ``harness runs list`` needs one
command of fifty.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import copy
from importlib import import_module
from typing import Any, get_args, get_origin

import typer
from typer.core import DEFAULT_MARKUP_MODE, TyperCommand, TyperGroup
from typer.models import CommandInfo

Make = Callable[[], Any]
"""Builds the command."""


class _Spared:
    """Disables an unnecessary conversion for the options of a command, including those that typer
    adds."""

    def get_params(self, ctx: Any) -> Any:
        parameters = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            spare_conversion(parameter)
        return parameters


class SparedCommand(_Spared, TyperCommand):
    """A command of the tree, without the unnecessary conversion of its options."""


class LazyGroup(_Spared, TyperGroup):
    """A group that stores its commands by name and help, and builds only the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._makers: dict[str, Make] = {}

    def add_later(self, name: str, help: str, make: Make) -> None:
        """Add a command that ``make`` builds when it is called."""
        self.add_command(TyperCommand(name, help=help))
        self._makers[name] = make

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Like the method of any group, but returns the real command in place of its name and
        help."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in self._makers:
            command = self._makers[name]()
        return name, command, rest


def imported(name: str, target: str) -> Any:
    """The command whose function or ``typer.Typer`` is at ``module:attribute``."""
    module, _, attribute = target.partition(":")
    found: typer.Typer | Callable[..., Any] = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        return _group(found, name)
    return _command(CommandInfo(name=name, callback=found))


def _group(app: typer.Typer, name: str) -> LazyGroup:
    bare = copy(app)
    bare.info = copy(app.info)
    bare.info.cls = LazyGroup
    bare.registered_commands, bare.registered_groups = [], []
    group = typer.main.get_group(bare)
    assert isinstance(group, LazyGroup)
    group.name = name
    for info in app.registered_commands:
        own = info.name or (info.callback.__name__ if info.callback else "")
        says = info.help or inspect.getdoc(info.callback) or ""
        group.add_later(own, says, lambda info=info: _command(info))  # type: ignore[misc]
    for inner in app.registered_groups:
        sub, own = inner.typer_instance, str(inner.name)
        assert sub is not None
        says = typer.main.solve_typer_info_help(inner)
        group.add_later(own, says, lambda sub=sub, own=own: _group(sub, own))  # type: ignore[misc]
    return group


def _command(info: CommandInfo) -> Any:
    info = copy(info)
    info.cls = SparedCommand
    return typer.main.get_command_from_info(
        info, pretty_exceptions_short=False, rich_markup_mode=DEFAULT_MARKUP_MODE
    )


def spare_conversion(parameter: Any) -> None:
    """Skip the conversion of values that already have their option's type: most are texts, or not
    given.

    typer converts each value, even ``None``, with an adapter of pydantic, which takes longer than
    listing the beads of a project. Versions of typer that work differently are left unchanged.
    """
    if getattr(parameter, "_runtime_param", parameter) is not None:
        return
    wanted = parameter.type_descriptor.annotation
    simple = get_args(wanted)[0] if get_origin(wanted) is list else wanted
    if simple in (str, int, float, bool) and not parameter.type_descriptor.is_ranged:
        parameter._runtime_param = _AsItIs(parameter)


class _AsItIs:
    """Replaces typer's conversion, and calls it only for values that do not have the option's
    type."""

    def __init__(self, parameter: Any) -> None:
        self._parameter, self._wanted = parameter, parameter.type_descriptor.annotation

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """``value`` in the type that the command takes. Raises BadParameter."""
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        if get_origin(self._wanted) is not list:
            if type(value) is self._wanted:
                return value
        elif isinstance(value, (list, tuple)) and all(
            type(one) is get_args(self._wanted)[0] for one in value
        ):
            return list(value)
        self._parameter._runtime_param = None
        return self._parameter.get_runtime_param().coerce(value, param=param, ctx=ctx)
