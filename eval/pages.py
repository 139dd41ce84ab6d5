"""HTML pages from the templates in this package; every value is escaped, except finished
figures."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


def page(name: str, **values: object) -> str:
    """The template ``name``, filled in, as a self-contained page."""
    return _environment().get_template(f"{name}.html").render(values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("eval"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
