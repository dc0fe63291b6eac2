"""What is wrong with a data set before anything is trained on it: files, spans, doubles, leaks, classes."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import VideoError
from ..video import VideoInfo, probe, verify
from .duplicates import Duplicates, near_duplicates, reading_pool
from .manifest import Manifest, Sample
from .problems import (
    ClassBalance,
    Problem,
    class_balance,
    class_problems,
    duplicate_problems,
    file_problems,
    label_problems,
    leak_problems,
    motion_problems,
    span_problems,
)

SCHEMA = "marey.validation/1"
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Validation:
    """The verdict on a data set.

    unreadable  path -> why
    seconds     of all clips together
    splits      split -> clips; "" for undecided ones
    """

    source: str
    kind: str
    clips: int
    videos: int
    seconds: float
    splits: Mapping[str, int]
    classes: tuple[ClassBalance, ...]
    problems: tuple[Problem, ...]
    unreadable: Mapping[str, str]
    duplicates: Duplicates

    @property
    def safe(self) -> bool:
        """Whether there is no error among the problems."""
        return all(problem.severity != "error" for problem in self.problems)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, with the schema's name and version first."""
        return {"schema": SCHEMA, "safe": self.safe, **asdict(self)}


def validate(
    manifest: Manifest, *, workers: int = 2, pixels: bool = True, progress: Progress | None = None
) -> Validation:
    """Look at every video and every label.

    workers   threads that read
    pixels    False does not decode: near-duplicates and damage inside a file are then not found
    progress  is called with (videos read, all of them); every video is read once for its packets, once for its frames
    """
    paths = list(dict.fromkeys(sample.path for sample in manifest.samples))
    total = len(paths) * (2 if pixels else 1)
    infos: dict[str, VideoInfo] = {}
    unreadable: dict[str, str] = {}
    lies: dict[str, str] = {}
    with reading_pool(workers) as pool:
        for done, (path, (info, reason)) in enumerate(zip(paths, pool.map(_facts, paths), strict=True), 1):
            if info is None:
                unreadable[path] = reason
            else:
                infos[path] = info
                lies |= {path: reason} if reason else {}
            if progress:
                progress(done, total)
    report = (lambda done, _: progress(len(paths) + done, total)) if progress else None
    duplicates = near_duplicates(infos, workers=workers, pixels=pixels, progress=report)
    unreadable |= duplicates.unreadable
    lengths = [_seconds(sample, infos.get(sample.path)) for sample in manifest.samples]
    problems = [
        *file_problems(manifest, unreadable, lies, len(paths)),
        *motion_problems(duplicates.motionless),
        *span_problems(manifest, infos),
        *label_problems(manifest),
        *duplicate_problems(manifest, duplicates),
        *leak_problems(manifest, duplicates),
        *class_problems(manifest),
    ]
    return Validation(
        source=manifest.source,
        kind=manifest.kind,
        clips=len(manifest),
        videos=len(paths),
        seconds=sum(lengths),
        splits=dict(Counter(sample.split or "" for sample in manifest.samples)),
        classes=class_balance(manifest, lengths),
        problems=tuple(sorted(problems, key=lambda problem: problem.severity)),
        unreadable=unreadable,
        duplicates=duplicates,
    )


def _facts(path: str) -> tuple[VideoInfo | None, str]:
    """(facts, "") of a sound file, (facts, reason) where its header lies, (None, reason) where it cannot be read."""
    try:
        return verify(path), ""
    except VideoError as error:
        reason = error.reason
    try:
        return probe(path, exact=True), reason
    except VideoError:
        return None, reason


def _seconds(sample: Sample, info: VideoInfo | None) -> float:
    """How long the clip is, as far as its video has it."""
    if info is None:
        return 0.0
    end_s = info.duration_s if sample.end_s is None else min(sample.end_s, info.duration_s)
    return max(0.0, end_s - (sample.start_s or 0.0))
