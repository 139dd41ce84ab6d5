"""Options that several commands share, each written once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

MODEL = "The model"
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
ApiKey = Annotated[
    str | None,
    typer.Option(rich_help_panel=MODEL, help="Key for the endpoint (better: HARNESS_API_KEY)."),
]
BaseUrl = Annotated[
    str | None, typer.Option(rich_help_panel=MODEL, help="Endpoint of the openai backend.")
]
Model = Annotated[
    str | None, typer.Option(rich_help_panel=MODEL, help="Model's name at the endpoint.")
]
Flags = Mapping[str, Any]
"""Settings by name, as given on the command line; ``None`` is not given."""

MODEL_OPTIONS: dict[str, Any] = {
    "backend": Annotated[
        str | None,
        typer.Option(
            metavar="local|openai|recorded", rich_help_panel=MODEL, help="Who runs the model."
        ),
    ],
    "base_url": BaseUrl,
    "api_key": ApiKey,
    "model": Model,
    "fleet": Annotated[
        str | None,
        typer.Option(metavar="DIR", rich_help_panel=MODEL, help="Folder with base/ and adapters/."),
    ],
    "recording": Annotated[
        str | None,
        typer.Option(metavar="FILE", rich_help_panel=MODEL, help="Answer from this file."),
    ],
    "record": Annotated[
        str | None,
        typer.Option(metavar="FILE", rich_help_panel=MODEL, help="Record every call into it."),
    ],
}
"""Setting → its option, for every command that uses a model."""

Command = Callable[..., None]


def help_alone(context: typer.Context) -> None:
    """Show the help of a group that is called without a command."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def group(help: str) -> typer.Typer:
    """A group of commands, which shows its help when called without a command."""
    made = typer.Typer(help=help)
    made.callback(invoke_without_command=True)(help_alone)
    return made


def model_options(*without: str) -> Callable[[Command], Command]:
    """Give a command the options of the model, except ``without``, as its parameter ``flags``."""
    names = [name for name in MODEL_OPTIONS if name not in without]

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def call(**given: Any) -> None:
            flags = {name: given.pop(name) for name in names}
            command(**given, flags=flags)

        signature = inspect.signature(command, eval_str=True)
        own = [p for name, p in signature.parameters.items() if name != "flags"]
        more = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=MODEL_OPTIONS[name]
            )
            for name in names
        ]
        call.__signature__ = signature.replace(parameters=[*own, *more])  # type: ignore[attr-defined]
        call.__annotations__ = {p.name: p.annotation for p in (*own, *more)}
        return call

    return decorate
