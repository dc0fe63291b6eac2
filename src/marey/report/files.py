"""Results on disk: timelines and evaluations as JSON, events as CSV. A file is there whole or not at all."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from ..errors import DataError
from ..results import Evaluation, Timeline

CSV_COLUMNS = ("video", "start_s", "end_s", "label", "score")
Result = TypeVar("Result", Timeline, Evaluation)


def write_text(text: str, path: str | PathLike[str]) -> None:
    """Write a UTF-8 file under a temporary name beside its own, then rename it."""
    target = Path(path)
    temporary = target.with_name(f".{target.name}.part")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_timeline(timeline: Timeline, path: str | PathLike[str]) -> None:
    write_text(json.dumps(timeline.to_dict(), ensure_ascii=False, allow_nan=False, indent=1) + "\n", path)


def read_timeline(path: str | PathLike[str]) -> Timeline:
    """The inverse of `write_timeline`; DataError for a file that is missing, no JSON, or no timeline."""
    return _read(path, Timeline.from_dict, "timeline", "`marey predict` writes one")


def write_evaluation(evaluation: Evaluation, path: str | PathLike[str]) -> None:
    write_text(json.dumps(evaluation.to_dict(), ensure_ascii=False, allow_nan=False) + "\n", path)


def read_evaluation(path: str | PathLike[str]) -> Evaluation:
    """The inverse of `write_evaluation`; DataError for a file that is missing, no JSON, or no evaluation."""
    return _read(path, Evaluation.from_dict, "evaluation", "`marey evaluate` writes one")


def _read(path: str | PathLike[str], build: Callable[[Mapping[str, Any]], Result], kind: str, cure: str) -> Result:
    try:
        return build(json.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise DataError(f"{path}: cannot be read as {kind} ({error.strerror}); {cure}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: is no {kind} ({error}); {cure}") from None


def write_events(timelines: Iterable[Timeline], path: str | PathLike[str]) -> None:
    """The events of videos as CSV, one a line: video,start_s,end_s,label,score; times to the millisecond."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for timeline in timelines:
        for event in timeline.events:
            writer.writerow(
                (timeline.video, f"{event.start_s:.3f}", f"{event.end_s:.3f}", event.label, f"{event.score:.6f}")
            )
    write_text(buffer.getvalue(), path)
