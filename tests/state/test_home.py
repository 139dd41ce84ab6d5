from __future__ import annotations

from pathlib import Path

import pytest

from state import BeadStore, StoreError, checkpoint_path, database_url, home


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_HOME", raising=False)
    monkeypatch.delenv("HARNESS_DATABASE_URL", raising=False)


def test_harness_home_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "there"))
    assert home() == tmp_path / "there"
    assert database_url() == f"sqlite:///{tmp_path}/there/state.db"
    assert checkpoint_path() == tmp_path / "there" / "checkpoints.db"
    BeadStore.open(database_url()).create("task", "t")
    assert (tmp_path / "there" / "state.db").is_file()


def test_the_nearest_project_upwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "project" / "a" / "b"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert home() == inside / "runs"

    (tmp_path / "project" / "runs").mkdir()
    assert home() == inside / "runs", "a runs folder alone makes no project"
    (tmp_path / "project" / "runs" / "state.db").touch()
    assert home() == tmp_path / "project" / "runs"
    (tmp_path / "project" / "runs" / "state.db").unlink()
    (tmp_path / "project" / "pyproject.toml").touch()
    assert home() == tmp_path / "project" / "runs"

    (tmp_path / "project" / "a" / "harness.toml").touch()
    assert home() == tmp_path / "project" / "a" / "runs"


def test_looking_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home()
    assert list(tmp_path.iterdir()) == []


def test_the_database_may_be_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    monkeypatch.setenv("HARNESS_DATABASE_URL", "sqlite:////srv/state.db")
    assert database_url() == "sqlite:////srv/state.db"
    assert checkpoint_path() == tmp_path / "checkpoints.db"


def test_a_read_only_home(unprivileged_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unprivileged_folder.chmod(0o555)
    for folder in (unprivileged_folder, unprivileged_folder / "runs"):
        monkeypatch.setenv("HARNESS_HOME", str(folder))
        with pytest.raises(StoreError) as caught:
            database_url()
        assert str(caught.value) == (
            f"runs folder {folder} is read-only; set HARNESS_HOME to a writable folder"
        )


def test_a_home_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "file"))
    with pytest.raises(StoreError, match="cannot be used"):
        checkpoint_path()
