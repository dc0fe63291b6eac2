"""The exceptions of Marey. Each message says in one sentence what is wrong, where, and what cures it."""

from collections.abc import Sequence
from os import PathLike


def counted(count: int, noun: str) -> str:
    """ "1 clip", "1,234 clips", "2 classes", as messages and reports say it."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def listed(names: Sequence[str]) -> str:
    """ "A", "A and B", "A, B and C"; nothing for none."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def range_text(value: float, least: float, most: float) -> str:
    """What to give instead of a value: "a number from 0 to 0.9", or "1 or more" where the other end only keeps out
    nonsense."""
    return f"{least:g} or more" if value < least and most >= 1e9 else f"a number from {least:g} to {most:g}"


class MareyError(Exception):
    """Anything that Marey refuses or fails at, with a message written for a person."""

    exit_code = 1


class UsageError(MareyError):
    """The request itself cannot be carried out: a wrong path, name, flag or combination."""

    exit_code = 2


class DataError(UsageError):
    """A data set cannot be used as it is; where a line is at fault the message names file and line."""


class CheckpointError(UsageError):
    """A weights file is damaged, of another kind, or does not fit what is asked of it."""


class MissingExtra(UsageError):
    """An optional dependency is not installed; the message has the `pip install 'marey[...]'` line."""


class VideoError(MareyError):
    """A video cannot be read: `path` says which, `reason` says why."""

    def __init__(self, path: str | PathLike[str], reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = str(path), reason

    def __reduce__(self) -> tuple[type["VideoError"], tuple[str, str]]:
        return type(self), (self.path, self.reason)  # crosses worker processes
