"""Videos that are there twice: the same bytes, or the same film encoded, sized, lit, mirrored or trimmed differently.

Every film is remembered as grey frames of 12 x 12 cells on a grid of 1/8 s (1/4, 1/2, ... where it is long, so that
there are at most 40). Two films look alike when

- their mean frames do (correlation of at least 0.85),
- their motion is spread alike over the picture (correlation of the standard deviations over time of at least 0.5),
- and, at the best shift in time that leaves half of the shorter one, their frames less the mean frame correlate by at
  least 0.8, which two moments before one static camera do not.

The first two numbers are cheap and keep the third to few pairs. Pairs that look alike are looked at once more, in
40 x 40 cells at ten times, the shift now exact: the frames less their mean must correlate by at least 0.85, which the
same action by another actor at the same place does not. Where nothing moves in either film, it is their mean frames
that must correlate by 0.995, once.

Chosen on 202 real surveillance clips of 34 cameras and on the stage; bench/near_duplicates.py measures both.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np

from ..errors import VideoError
from ..video import open_video
from .rows import MEMBER
from .signatures import FINEST_STEP_S, Likeness, Signature, alike, cells, signature

FINE_CELLS, LOOKS, SHIFTS, LEAST_FINE = 40, 10, 5, 0.85

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Duplicates:
    """Groups of paths that show the same.

    exact       with the same bytes
    near        that look the same, those with the same bytes among them; no path is in two groups
    unreadable  path -> why it could not be looked at
    """

    exact: tuple[tuple[str, ...], ...]
    near: tuple[tuple[str, ...], ...]
    unreadable: Mapping[str, str] = field(default_factory=dict)


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
    with ThreadPoolExecutor(max(1, workers)) as pool:  # decoders release the interpreter while they work
        for done, (path, result) in enumerate(zip(alone, pool.map(_look, alone), strict=True), 1):
            if isinstance(result, VideoError):
                unreadable[path] = result.reason
            else:
                found[path] = result
            if progress:
                progress(len(spare) + done, len(paths))
        pairs = _confirmed(list(found), list(found.values()), pool)
    pairs += [(group[0], path) for group in exact for path in group[1:]]
    return Duplicates(exact, connected(pairs, order=paths), unreadable)


def _look(path: str) -> Signature | VideoError:
    try:
        with open_video(path) as video:
            return signature(video)
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
    return fine_likeness(names[like.first], names[like.second], like, step_s=step_s) >= LEAST_FINE


def fine_likeness(first: str, second: str, like: Likeness, *, step_s: float = FINEST_STEP_S) -> float:
    """Correlation of the frames less their mean in 40 x 40 cells, at the best shift within half a step of `like`'s."""
    with open_video(first) as one, open_video(second) as other:
        start_s = max(0.0, like.shift_s) + step_s / 2
        end_s = min(one.info.duration_s, other.info.duration_s + like.shift_s) - step_s / 2
        times_s = start_s + (np.arange(LOOKS) + 0.5) / LOOKS * max(0.0, end_s - start_s)
        mine = cells(one.frames_at(times_s, short_px=2 * FINE_CELLS).frames, FINE_CELLS)
        shifted_s = (times_s - like.shift_s + step_s * np.linspace(-0.5, 0.5, SHIFTS)[:, None]).ravel()
        order = np.argsort(shifted_s)
        theirs = np.empty((len(order), FINE_CELLS, FINE_CELLS), dtype=np.float32)
        theirs[order] = cells(other.frames_at(shifted_s[order], short_px=2 * FINE_CELLS).frames, FINE_CELLS)
    mine = mine[:, :, ::-1] if like.mirrored else mine
    mine = (mine - mine.mean(axis=0)).ravel()
    theirs = theirs.reshape(SHIFTS, LOOKS, FINE_CELLS, FINE_CELLS)
    theirs = (theirs - theirs.mean(axis=1, keepdims=True)).reshape(SHIFTS, -1)
    sizes = np.linalg.norm(mine) * np.linalg.norm(theirs, axis=1)
    return float((theirs @ mine / np.maximum(sizes, 1e-6)).max())


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
