"""One writer a run: a lock of the operating system on a file in its folder, which ends with its process."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import gethostname

from ..errors import UsageError

LOCK = ".lock"  # there while the run is written; one that a killed process left locks nothing

_held: set[int] = set()  # descriptors of the locks of this process


def _let_go() -> None:
    """In a forked child, such as a worker that outlives its killed parent: the lock is the parent's alone."""
    for file in _held:
        os.close(file)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Nobody else writes the folder, which is made where it is absent; UsageError while somebody else does.

    Afterwards the lock is gone, and the folder too where it was made here and stayed empty. Where locks are unknown, as
    on some network file systems, or the folder is read-only, it goes on without one.
    """
    made = not folder.exists()
    file = _locked(folder)
    try:
        yield
    finally:
        if file is not None:
            _held.discard(file)
            if _is_at(file, folder / LOCK):
                (folder / LOCK).unlink()
            os.close(file)
        if made:
            with suppress(OSError):  # it has become a run
                folder.rmdir()


def _locked(folder: Path) -> int | None:
    """The descriptor that holds the lock until it is closed; None where there can be none."""
    path = folder / LOCK
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # who wrote the folder has just removed it
            continue
        except OSError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(file, path):
                os.ftruncate(file, 0)
                os.write(file, f"process {os.getpid()} on {gethostname()}".encode())
                _held.add(file)
                return file
        except (BlockingIOError, PermissionError):
            writer = os.read(file, 200).decode(errors="replace") or "another process"
            os.close(file)
            raise UsageError(
                f"{folder} is being written by {writer}; wait until that ends or stop it, or give another --out"
            ) from None
        except OSError:
            path.unlink(missing_ok=True)
            os.close(file)
            return None
        os.close(file)  # its holder removed it between the two calls


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
