"""The flow of many videos at once: each core has a video of its own while there are enough of them."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, as_completed
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from threading import Event, Lock

from ..data.duplicates import reading_pool
from ..errors import VideoError
from ..report import counted
from ..video import Extracted, FlowSource, extract_flow, probe
from .narrate import Narrator

Found = Callable[[int, Extracted | VideoError], None]


def extract_all(
    videos: Sequence[str],
    files: Sequence[Path],
    source: FlowSource,
    *,
    workers: int,
    narrator: Narrator,
    found: Found,
) -> None:
    """Compute the flow of each video into its file, by `workers` threads in all.

    found  is told, as each is done, which it is and what came of it; what it raises ends the work

    The shortest videos come first, so that the longest ones, which are left at the end, have more threads each. A
    video in work holds a few frames in memory, and there are at most `workers` of them.
    """
    lengths = [_fields(video) for video in videos]
    name = f"flow of {Path(videos[0]).name if len(videos) == 1 else counted(len(videos), 'video')}"
    tally = _Tally(narrator, name, lengths)

    def extract(rank: int, index: int) -> Extracted:
        together = min(workers, len(videos) - rank)  # this one and those that come after it
        made = extract_flow(
            videos[index],
            files[index],
            source,
            threads=ceil(workers / together),
            progress=lambda done, _: tally.tell(index, done),
        )
        tally.tell(index, lengths[index])
        return made

    order = sorted(range(len(videos)), key=lengths.__getitem__)
    with reading_pool(workers) as pool, tally.stopped():
        futures = {pool.submit(extract, rank, index): index for rank, index in enumerate(order)}
        for future in as_completed(futures):
            index, problem = futures[future], future.exception()
            if isinstance(problem, VideoError):
                tally.tell(index, lengths[index])
            with tally.lock:
                found(index, problem if isinstance(problem, VideoError) else future.result())


class _Tally:
    """How many fields of all are done, told from several threads, which stop when there is nobody left to tell."""

    def __init__(self, narrator: Narrator, name: str, lengths: Sequence[int]) -> None:
        self.narrator, self.name, self.total = narrator, name, sum(lengths)
        self.done, self.lock, self.stop = [0] * len(lengths), Lock(), Event()

    def tell(self, index: int, done: int) -> None:
        """CancelledError where the work has ended meanwhile."""
        if self.stop.is_set():
            raise CancelledError
        with self.lock:
            if done != self.done[index]:
                self.done[index] = done
                self.narrator.progress(self.name, sum(self.done), self.total)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Whoever tells after this is stopped."""
        try:
            yield
        finally:
            self.stop.set()


def _fields(video: str) -> int:
    """As far as the header says; 1 of what cannot be opened."""
    try:
        info = probe(video)
    except VideoError:
        return 1
    return max(1, (info.frame_count or round(info.duration_s * info.fps)) - 1)
