"""The bubblewrap command line, which defines the parts of this machine that the program sees."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from eval.sandbox.contract import MIB, Limits
from state.errors import SandboxMissing

NOBODY = 65534
SYSTEM_PYTHON = "/usr/bin/python3"
MINIMUM = (3, 9)
INSTALL = (
    "bubblewrap is missing: apt-get install bubblewrap "
    "(dnf install bubblewrap, apk add bubblewrap); code checks are refused without it"
)
LINKED = ("lib", "lib32", "lib64", "libx32", "bin", "sbin")


@dataclass(frozen=True)
class Interpreter:
    """The Python that runs inside, and the folder to bind for it in addition to ``/usr``."""

    path: str
    prefix: str | None = None


def find_bwrap() -> str:
    """Path of bubblewrap. Raises SandboxMissing with the install line where there is none."""
    found = shutil.which("bwrap")
    if found is None:
        raise SandboxMissing(INSTALL)
    return found


@functools.cache
def find_interpreter() -> Interpreter:
    """The system's Python where it is recent enough, else ours with its prefix bound read-only."""
    if os.access(SYSTEM_PYTHON, os.X_OK):
        asked = subprocess.run(
            [SYSTEM_PYTHON, "-I", "-S", "--version"], capture_output=True, text=True, check=False
        )
        version = re.match(r"Python (\d+)\.(\d+)", asked.stdout)
        if version and (int(version[1]), int(version[2])) >= MINIMUM:
            return Interpreter(SYSTEM_PYTHON)
    prefix = os.path.realpath(sys.base_prefix)
    major, minor = sys.version_info[:2]
    path = str(Path(prefix, "bin", f"python{major}.{minor}"))
    return Interpreter(path, None if prefix == "/usr" or prefix.startswith("/usr/") else prefix)


def system_folders() -> list[str]:
    """Options that bind ``/usr`` and the links into it, as this distribution lays them out."""
    options = ["--ro-bind", "/usr", "/usr"]
    for name in LINKED:
        folder = Path("/", name)
        if folder.is_symlink():
            options += ["--symlink", os.readlink(folder), str(folder)]
        elif folder.is_dir():
            options += ["--ro-bind", str(folder), str(folder)]
    options += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    return options


def resource_limits(limits: Limits) -> list[str]:
    """Arguments of ``boot.py``: soft and hard value of each resource limit."""
    values = {
        "AS": (limits.memory_bytes, limits.memory_bytes),
        # SIGXCPU ends the program at the soft limit; one that ignores it gets SIGKILL at the hard
        # limit.
        "CPU": (limits.cpu_seconds, limits.cpu_seconds + 1),
        "NPROC": (limits.processes, limits.processes),
        "FSIZE": (limits.file_bytes, limits.file_bytes),
        "NOFILE": (64, 64),
        "CORE": (0, 0),
    }
    return [f"{name}={soft}:{hard}" for name, (soft, hard) in values.items()]


def command(
    bwrap: str,
    interpreter: Interpreter,
    limits: Limits,
    files: dict[str, int],
    result_fd: int,
    seccomp_fd: int | None,
) -> list[str]:
    """The whole command line. ``files`` maps paths inside to the descriptors that hold their
    content."""
    bound = interpreter.prefix
    options = [
        bwrap,
        *("--unshare-all", "--unshare-user", "--disable-userns"),
        *("--die-with-parent", "--new-session", "--clearenv"),
        *system_folders(),
        *(["--ro-bind", bound, bound] if bound else []),
        *("--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"),
        *("--size", str(max(limits.scratch_bytes, MIB)), "--tmpfs", "/box"),
        *("--size", str(max(limits.file_bytes, MIB)), "--tmpfs", "/tmp"),
    ]
    for path, descriptor in files.items():
        options += ["--ro-bind-data", str(descriptor), path]
    options += [
        *("--remount-ro", "/", "--chdir", "/box"),
        *("--setenv", "PATH", "/usr/bin", "--setenv", "HOME", "/box"),
        *("--uid", str(NOBODY), "--gid", str(NOBODY), "--cap-drop", "ALL"),
    ]
    if seccomp_fd is not None:
        options += ["--seccomp", str(seccomp_fd)]
    python = [interpreter.path, "-I", "-S", "-B", "-X", "utf8"]
    boot = ["/run/boot.py", str(result_fd), "/run/program.py", *resource_limits(limits)]
    return [*options, "--", *python, *boot]
