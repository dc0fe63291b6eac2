"""How jobs tell what they do: sentences and progress, to whoever listens. Nothing here prints."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Protocol, runtime_checkable

FEW_LEFT_OUT = 5  # names of unreadable videos that everybody is told


@runtime_checkable
class Narrator(Protocol):
    """What a command, a notebook or a page gives a job to speak through."""

    def say(self, sentence: str) -> None:
        """A sentence for a person."""
        ...

    def detail(self, sentence: str) -> None:
        """A sentence for a person who asked to hear more."""
        ...

    def progress(self, what: str, done: int, total: int) -> None:
        """`done` of `total` steps of `what`."""
        ...


class Silent:
    """Tells nobody."""

    def say(self, sentence: str) -> None: ...

    def detail(self, sentence: str) -> None: ...

    def progress(self, what: str, done: int, total: int) -> None: ...


class Ticking:
    """Has a part of a job told as time that goes by, and its sentences to who asked to hear more."""

    def __init__(self, narrator: Narrator, tick: Callable[[], None]) -> None:
        self._narrator, self._tick = narrator, tick

    def say(self, sentence: str) -> None:
        self._narrator.detail(sentence)

    def detail(self, sentence: str) -> None:
        self._narrator.detail(sentence)

    def progress(self, what: str, done: int, total: int) -> None:
        self._tick()


class Once:
    """Says what parts of a job would say alike but once; again only to who asked to hear more."""

    def __init__(self, narrator: Narrator) -> None:
        self.detail, self.progress = narrator.detail, narrator.progress
        self._say, self._said = narrator.say, set[str]()

    def say(self, sentence: str) -> None:
        (self.detail if sentence in self._said else self._say)(sentence)
        self._said.add(sentence)


def progress_of(narrator: Narrator, what: str) -> Callable[[int, int], None]:
    """The plain (done, total) callback that lower rooms take."""

    def report(done: int, total: int) -> None:
        narrator.progress(what, done, total)

    return report


@contextmanager
def timed(narrator: Narrator, what: str) -> Iterator[None]:
    """Tells how long a part of a job took, to who asked to hear more."""
    begun = perf_counter()
    yield
    narrator.detail(f"{what}: {perf_counter() - begun:.1f} s")


def tell_left_out(narrator: Narrator, reasons: Mapping[str, str]) -> None:
    """Name the videos that were not read (path -> why): a few to everybody, all to who asked to hear more."""
    for number, (path, reason) in enumerate(reasons.items()):
        tell = narrator.say if number < FEW_LEFT_OUT else narrator.detail
        tell(f"left out: {path}: {reason}")
    if len(reasons) > FEW_LEFT_OUT:
        narrator.say(f"left out: {len(reasons)} videos in all; the report names them")
