"""Videos that are there twice: the same bytes, or the same film encoded, sized, lit, mirrored or trimmed differently.

Every film is remembered as grey frames of 12 x 12 cells on a grid of 1/8 s (1/4, 1/2, ... where it is long, so that
there are at most 40). Two films look alike when

- their mean frames do (correlation of at least 0.85),
- their motion is spread alike over the picture (correlation of the standard deviations over time of at least 0.5),
- and, at the best shift in time that leaves half of the shorter one, their frames less the mean frame correlate by at
  least 0.8, which two moments before one static camera do not.

The first two numbers are cheap and keep the third to few pairs. Pairs that look alike are looked at once more, in
40 x 40 cells of colour at ten times, the shift now exact: their mean frames must correlate by at least 0.98 and their
frames less the mean by at least 0.85. That tells apart two actors who do the same at the same place. Where nothing
moves in either film, it is their mean frames that must correlate by 0.995, once.

By bench/near_duplicates.py no two of 202 real surveillance clips of 34 cameras, and no two of 384 clips of the stage in
either style, are taken for one film: clips of one camera reach 0.69 in the third number; actors on the stage 0.92, or
0.96 as moving dots, and are parted at the second look. Of copies of 101 real clips at 240 lines, all are found at half
the size, mirrored, brighter, at half the frame rate, without the last 15 % and without the first 12 %, and 93 at CRF
40; none that are cropped by 4 % on every side.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np

from ..errors import VideoError
from ..video import Video, open_video
from .rows import MEMBER
from .signatures import FINEST_STEP_S, Likeness, Signature, alike, cells, signature

FINE_CELLS, LOOKS, SHIFTS = 40, 10, 5
LEAST_FINE_APPEARANCE, LEAST_FINE_MOTION = 0.98, 0.85

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Duplicates:
    """Groups of paths that show the same.

    exact       with the same bytes
    near        that look the same, those with the same bytes among them; no path is in two groups
    unreadable  path -> why it could not be looked at
    motionless  path -> why motion cannot be followed through it, as was seen on the way
    """

    exact: tuple[tuple[str, ...], ...]
    near: tuple[tuple[str, ...], ...]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    motionless: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def reading_pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that read videos (decoders release the interpreter while they work); Ctrl-C drops what has not begun."""
    pool = ThreadPoolExecutor(max(1, workers))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def near_duplicates(
    paths: Iterable[str], *, workers: int = 2, progress: Progress | None = None, pixels: bool = True
) -> Duplicates:
    """Find the groups of videos that show the same.

    workers   threads that decode
    progress  is called with (videos looked at, videos)
    pixels    False compares bytes alone and decodes nothing
    """
    paths = list(dict.fromkeys(paths))
    exact = same_bytes(paths)
    spare = {path for group in exact for path in group[1:]}
    alone = [path for path in paths if path not in spare] if pixels else []
    found: dict[str, Signature] = {}
    unreadable: dict[str, str] = {}
    motionless: dict[str, str] = {}
    with reading_pool(workers) as pool:
        for done, (path, result) in enumerate(zip(alone, pool.map(_look, alone), strict=True), 1):
            if isinstance(result, VideoError):
                unreadable[path] = result.reason
            else:
                found[path], reason = result
                motionless |= {path: reason} if reason else {}
            if progress:
                progress(len(spare) + done, len(paths))
        pairs = _confirmed(list(found), list(found.values()), pool)
    pairs += [(group[0], path) for group in exact for path in group[1:]]
    return Duplicates(exact, connected(pairs, order=paths), unreadable, motionless)


def _look(path: str) -> tuple[Signature, str | None] | VideoError:
    """What a film looks like, and why motion cannot be followed through it."""
    try:
        with open_video(path) as video:
            return signature(video), video.why_no_motion
    except VideoError as error:
        return error


def _confirmed(
    names: Sequence[str], signatures: Sequence[Signature], pool: ThreadPoolExecutor
) -> list[tuple[str, str]]:
    """The pairs that look alike and still do at the second look; pairs known to be of one group are not looked at."""
    pairs: list[tuple[str, str]] = []
    group: dict[int, int] = {}
    for first, likes in groupby(alike(signatures), key=lambda like: like.first):
        open_likes = [like for like in likes if group.get(first, first) != group.get(like.second, like.second)]
        for like, same in zip(open_likes, pool.map(partial(_same, names, signatures), open_likes), strict=True):
            if same:
                group[like.second] = group.setdefault(first, first)
                pairs.append((names[first], names[like.second]))
    return pairs


def _same(names: Sequence[str], signatures: Sequence[Signature], like: Likeness) -> bool:
    if like.still:
        return True
    step_s = max(signatures[like.first].step_s, signatures[like.second].step_s)
    appearance, motion = second_look(names[like.first], names[like.second], like, step_s=step_s)
    return appearance >= LEAST_FINE_APPEARANCE and motion >= LEAST_FINE_MOTION


def second_look(first: str, second: str, like: Likeness, *, step_s: float = FINEST_STEP_S) -> tuple[float, float]:
    """Correlations of the mean frames and of the frames less the mean, at the best shift within half a step."""
    with open_video(first) as one, open_video(second) as other:
        start_s = max(0.0, like.shift_s) + step_s / 2
        end_s = min(one.info.duration_s, other.info.duration_s + like.shift_s) - step_s / 2
        times_s = start_s + (np.arange(LOOKS) + 0.5) / LOOKS * max(0.0, end_s - start_s)
        mine = _colours(one, times_s)
        shifted_s = (times_s - like.shift_s + step_s * np.linspace(-0.5, 0.5, SHIFTS)[:, None]).ravel()
        order = np.argsort(shifted_s)
        theirs = np.empty((len(order), *mine.shape[1:]), dtype=np.float32)
        theirs[order] = _colours(other, shifted_s[order])
    mine = mine[..., ::-1] if like.mirrored else mine
    looks = []
    for shifted in theirs.reshape(SHIFTS, *mine.shape):
        means = mine.mean(axis=0), shifted.mean(axis=0)
        looks.append((_correlation(mine - means[0], shifted - means[1]), _correlation(*(m - m.mean() for m in means))))
    motion, appearance = max(looks)
    return appearance, motion


def _colours(video: Video, times_s: np.ndarray) -> np.ndarray:
    """float32 (t, 3, 40, 40)."""
    return cells(video.frames_at(times_s, short_px=2 * FINE_CELLS).frames.transpose(0, 3, 1, 2), FINE_CELLS)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.vdot(one, other) / max(1e-6, float(np.linalg.norm(one) * np.linalg.norm(other))))


def same_bytes(paths: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Groups of files with the same content; members of shards are not compared."""
    by_size: dict[int, list[str]] = {}
    for path in paths:
        if MEMBER not in path and Path(path).is_file():
            by_size.setdefault(Path(path).stat().st_size, []).append(path)
    by_content: dict[str, list[str]] = {}
    for group in by_size.values():
        for path in group if len(group) > 1 else ():
            with Path(path).open("rb") as file:
                by_content.setdefault(hashlib.file_digest(file, "sha256").hexdigest(), []).append(path)
    return tuple(tuple(group) for group in by_content.values() if len(group) > 1)


def connected(pairs: Iterable[tuple[str, str]], *, order: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The connected components of a graph, nodes and components in the order given."""
    parents: dict[str, str] = {}

    def top(node: str) -> str:
        while (parent := parents.setdefault(node, node)) != node:
            parents[node] = node = parents[parent]
        return node

    for first, second in pairs:
        parents[top(second)] = top(first)
    groups: dict[str, list[str]] = {}
    for node in order:
        if node in parents:
            groups.setdefault(top(node), []).append(node)
    return tuple(tuple(group) for group in groups.values())
