"""A PostgreSQL server of its own for the tests: on loopback, as an unprivileged user."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

MISSING = "PostgreSQL's programs are missing: apt-get install postgresql"
_numbers = itertools.count(1)


def programs() -> Path | None:
    """The folder of ``initdb`` and ``postgres``; Debian keeps it off the path."""
    found = shutil.which("postgres")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((f for f in folders if (f / "initdb").exists()), None)


@contextmanager
def server(*, durable: bool = False) -> Iterator[str]:
    """URL of a server without its database: ``postgresql://tester@127.0.0.1:PORT``."""
    folder = programs()
    if folder is None:
        pytest.skip(MISSING)
    home = Path(tempfile.mkdtemp(prefix="hi-moe-pg-"))
    # PostgreSQL refuses to run as root.
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    if user is not None:
        os.chown(home, user, -1)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def call(name: str, *words: str) -> None:
        command = [str(folder / name), "-D", str(home / "data"), *words]
        with (home / "log").open("ab") as log:
            done = subprocess.run(command, user=user, cwd=home, stdout=log, stderr=log, check=False)
        assert done.returncode == 0, (home / "log").read_text()

    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={home}"
    options += " -c max_connections=100" + ("" if durable else " -c fsync=off")
    (home / "log").touch()
    try:
        call(
            "initdb", "--username=tester", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8",
            "--no-sync",
        )  # fmt: skip
        call("pg_ctl", "start", "--wait", "-o", options)
        yield f"postgresql://tester@127.0.0.1:{port}"
    finally:
        if (home / "data" / "postmaster.pid").exists():
            call("pg_ctl", "stop", "--mode=immediate")
        shutil.rmtree(home)


def new_database(url: str) -> str:
    """URL of a new, empty database on the server."""
    name = f"test{next(_numbers)}"
    with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{url}/{name}"


def empty(url: str) -> None:
    """Delete all rows of a state database but its version."""
    with psycopg.connect(url, autocommit=True) as connection:
        tables = "bead, dependency, comment, bead_change, foreign_line, run, call"
        connection.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
