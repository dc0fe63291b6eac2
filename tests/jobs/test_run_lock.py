"""A run folder has one writer at a time, and what a killed one leaves is in nobody's way."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from marey.app.cli import main
from marey.errors import MareyError, UsageError
from marey.jobs import cross_validate, list_runs, rebalance, run_lock, train
from marey.jobs.run import Run, cleared_unless, read_run
from marey.jobs.run_lock import LOCK, sole_writer

# The lock alone is loaded: the jobs import torch.
HOLD = """
import importlib.util, os, sys, time
spec = importlib.util.spec_from_file_location("marey.jobs.run_lock", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
with module.sole_writer(module.Path(sys.argv[2])):
    if os.fork() == 0:  # a worker that outlives its parent
        print(flush=True)
        time.sleep(60)
    time.sleep(60)
"""
WRITTEN = r"{} is being written by process {} on \S+; wait until that ends or stop it, or give another --out"


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that writes the folder, with a worker, in a process group of their own."""
    command = [sys.executable, "-c", HOLD, run_lock.__file__, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_a_second_process_is_refused_until_the_first_was_killed(
    small_films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run = small_films / "annotations.csv", tmp_path / "run"
    asked: dict[str, Any] = {"preset": "motion", "epochs": 1, "workers": 0, "out": run}
    jobs: list[Callable[[], Any]] = [lambda: train(data, **asked), lambda: cross_validate(data, folds=2, **asked)]
    with holder(run) as process:
        for job in jobs:
            with pytest.raises(UsageError, match=WRITTEN.format(run, process.pid)):
                job()
        assert main(["train", str(data), "--preset", "motion", "--epochs", "1", "--out", str(run), "--quiet"]) == 2
        assert "is being written by process" in capsys.readouterr().err
        assert [path.name for path in run.iterdir()] == [LOCK]
        process.kill()  # its worker lives on
        process.wait()
        assert (run / LOCK).exists()
        assert train(data, **asked).folder == run
    assert read_run(run).finished and not (run / LOCK).exists()
    balanced = {"method": "ncm", "workers": 0, "out": tmp_path / "fair"}
    with sole_writer(tmp_path / "fair"), pytest.raises(UsageError, match="is being written by process"):
        rebalance(run, **balanced)
    assert not (tmp_path / "fair").exists()
    with sole_writer(run):  # being looked at is not being written
        assert list_runs(tmp_path)[0]["state"] == "finished"


def test_the_lock_leaves_nothing_behind(tmp_path: Path) -> None:
    made, there = tmp_path / "deep" / "made", tmp_path / "there"
    there.mkdir()
    with sole_writer(made), sole_writer(there):
        assert (made / LOCK).read_text().startswith(f"process {os.getpid()} on ")
    assert not made.exists() and there.exists() and not list(there.iterdir())
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), sole_writer(made):
            (made / "kept").touch()
            raise KeyboardInterrupt
    assert [path.name for path in made.iterdir()] == ["kept"]


def test_a_folder_that_is_removed_meanwhile_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, whole, opened = tmp_path / "run", os.open, []

    def open_late(path: Path, flags: int, mode: int) -> int:
        opened.append(whole(path, flags, mode))
        if len(opened) == 1:  # the first process ends between this open and the lock
            (folder / LOCK).unlink()
            folder.rmdir()
        return opened[-1]

    monkeypatch.setattr(run_lock.os, "open", open_late)
    with sole_writer(folder):
        assert len(opened) == 2 and (folder / LOCK).exists()
        with pytest.raises(UsageError, match="is being written"), sole_writer(folder):
            pass
    with sole_writer(folder):
        (folder / LOCK).unlink()  # with the folder of a run that came to nothing, which another one now takes
        with sole_writer(folder):
            pass
        (folder / LOCK).touch()
    assert (folder / LOCK).exists()


def test_a_run_that_comes_to_nothing_is_cleared_with_its_lock(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", {})
    with pytest.raises(MareyError, match="broken"), sole_writer(run.folder), cleared_unless(run, "kept", fresh=True):
        raise MareyError("broken")
    assert not run.folder.exists()


def test_a_file_system_without_locks_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(file: int, how: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(run_lock.fcntl, "flock", unknown)
    with sole_writer(tmp_path / "run"), sole_writer(tmp_path / "run"):
        assert (tmp_path / "run").exists()
