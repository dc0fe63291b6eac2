"""How jobs tell what they do: sentences and progress, to whoever listens. Nothing here prints."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable


@runtime_checkable
class Narrator(Protocol):
    """What a command, a notebook or a page gives a job to speak through."""

    def say(self, sentence: str) -> None:
        """A sentence for a person."""
        ...

    def progress(self, what: str, done: int, total: int) -> None:
        """`done` of `total` steps of `what`."""
        ...


class Silent:
    """Tells nobody."""

    def say(self, sentence: str) -> None: ...

    def progress(self, what: str, done: int, total: int) -> None: ...


def progress_of(narrator: Narrator, what: str) -> Callable[[int, int], None]:
    """The plain (done, total) callback that lower rooms take."""

    def report(done: int, total: int) -> None:
        narrator.progress(what, done, total)

    return report
