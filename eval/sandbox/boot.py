"""The first code inside the sandbox: lowers the limits, reports this, then runs the untrusted
program.

Runs under the sandbox's interpreter (Python >= 3.9), which may differ from ours. Usage: ``boot.py
RESULT_FD PROGRAM RESOURCE=SOFT:HARD ...``.
"""

from __future__ import annotations

import builtins
import os
import resource
import sys


def lower_limits(settings: list[str]) -> None:
    """Set ``RESOURCE=SOFT:HARD`` limits; without capabilities they cannot be raised again."""
    for setting in settings:
        name, _, pair = setting.partition("=")
        soft, _, hard = pair.partition(":")
        resource.setrlimit(getattr(resource, "RLIMIT_" + name), (int(soft), int(hard)))


def main() -> None:
    """Report the start on the result channel, then run the program as ``__main__``."""
    descriptor, program, *settings = sys.argv[1:]
    lower_limits(settings)
    os.write(int(descriptor), b'{"booted": true}\n')
    os.environ["RESULT_FD"] = descriptor
    # -S leaves out `site`, which defines these two.
    builtins.exit = builtins.quit = sys.exit  # type: ignore[assignment]
    sys.argv = [program]
    with open(program, encoding="utf-8", errors="surrogatepass", newline="") as handle:
        source = handle.read()
    code = compile(source, "program.py", "exec", dont_inherit=True)
    scope = sys.modules["__main__"].__dict__
    for name in [name for name in scope if not name.startswith("__") or name == "__doc__"]:
        del scope[name]
    exec(code, scope)


if __name__ == "__main__":
    main()
