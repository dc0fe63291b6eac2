"""The one internal form of a data set: a list of samples with their class names."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sample:
    """A span of a video with its labels.

    path      of the video; a member of a tar shard is "shard.tar::member.mp4"
    labels    head -> class names; single-task data have the one head "label"; empty where nothing is known
    start_s, end_s  the span in seconds; None is the start or the end of the video
    split     "train", "val" or "test"; None is not decided yet
    group     what must not be on both sides of a split: a source, subject or camera
    """

    path: str
    labels: Mapping[str, tuple[str, ...]]
    start_s: float | None = None
    end_s: float | None = None
    split: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Manifest:
    """A data set as training sees it.

    samples      in the order of the source
    heads        head -> class names in the order of the model's outputs; one head unless the format has several
    multi_label  a sample may have any number of classes
    source       the path that was read, kind: what it was taken for ("class folders", "CSV", ...)
    class_groups class -> name of the group it is reported under; empty for most data
    mirror       class -> the class that a mirrored clip shows (left/right pairs); absent classes keep theirs
    grouped_by   the column or rule that gave Sample.group; empty without groups
    missing      videos that the source names and that are not there (left out; only in lists of web videos)
    """

    samples: tuple[Sample, ...]
    heads: Mapping[str, tuple[str, ...]]
    multi_label: bool
    source: str
    kind: str
    class_groups: Mapping[str, str] = field(default_factory=dict)
    mirror: Mapping[str, str] = field(default_factory=dict)
    grouped_by: str = ""
    missing: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)

    def part(self, split: str | None) -> tuple[Sample, ...]:
        """The samples of one split."""
        return tuple(sample for sample in self.samples if sample.split == split)
