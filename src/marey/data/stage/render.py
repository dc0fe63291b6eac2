"""Rendering a data set: the shots of a plan, in worker processes, and the files that describe them."""

import csv
import json
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from os import PathLike
from pathlib import Path

import cv2

from ...errors import UsageError
from ...video import VideoWriter
from .classes import CLASS_GROUPS, CLASSES
from .plan import Plan, Shot, Style, shots
from .scenery import Level
from .take import direct, film

COLUMNS = ("path", "label", "start_s", "end_s", "split", "group", "actor", "scene", "class_group", "condition")


def render_shot(shot: Shot, out: Path) -> None:
    """Render one clip below `out`."""
    cv2.setNumThreads(1)
    path = out / shot.path
    path.parent.mkdir(parents=True, exist_ok=True)
    take = direct(shot)
    with VideoWriter(path, fps=shot.fps, size=shot.size) as writer:
        for frame in film(take):
            writer.write(frame)


def _row(shot: Shot) -> tuple[str, ...]:
    actor, scene = f"actor{shot.actor:02d}", f"{shot.level}{shot.scene:02d}"
    span = ("0.000", f"{shot.duration_s:.3f}")
    return (shot.path, shot.label, *span, shot.split, actor, actor, scene, CLASS_GROUPS[shot.label], shot.condition)


def _write_rows(path: Path, rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)


def _each(planned: Sequence[Shot], out: Path, workers: int) -> Iterator[None]:
    """Render in this process, or in `workers` fresh ones; results come in the order of the plan."""
    if workers == 1:
        yield from (render_shot(shot, out) for shot in planned)
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        try:
            yield from pool.map(partial(render_shot, out=out), planned, chunksize=4)
        finally:
            pool.shutdown(cancel_futures=True)


def render(
    out: str | PathLike[str],
    *,
    level: Level = "studio",
    style: Style = "figure",
    clips_per_class: int = 24,
    classes: Sequence[str] | None = None,
    actors: int = 12,
    scenes: int = 8,
    seconds: float = 2.0,
    fps: int = 25,
    size: tuple[int, int] = (160, 120),
    seed: int = 0,
    workers: int = 2,
    cross_per_class: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Render a data set into the folder `out` and return the path of its `annotations.csv`.

    The same arguments give the same bytes, whatever the number of workers. A folder that already holds exactly this
    data set is left as it is; any other folder that is not empty is refused with a UsageError.
    """
    out = Path(out)
    names = tuple(CLASSES) if classes is None else tuple(classes)
    plan = Plan(level, style, names, clips_per_class, cross_per_class, actors, scenes, float(seconds), fps, size, seed)
    if workers < 1:
        raise UsageError(f"stage workers is {workers}; it must be 1 or more")
    planned, stamp = shots(plan), out / "stage.json"
    wanted = json.loads(json.dumps(asdict(plan)))
    if stamp.exists():
        found = json.loads(stamp.read_text(encoding="utf-8"))
        if found["plan"] != wanted:
            raise UsageError(
                f"{out} holds a data set that was rendered with other arguments; give another folder or remove it"
            )
        if found["complete"]:
            return out / "annotations.csv"
    elif out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty and holds no stage data set; give another folder")
    out.mkdir(parents=True, exist_ok=True)
    _stamp(stamp, wanted, complete=False)
    for done, _ in enumerate(_each(planned, out, workers), 1):
        if progress:
            progress(done, len(planned))
    splits, across = [], []
    for shot in planned:
        (splits if shot.condition in ("train", "val", "both-unseen") else across).append(_row(shot))
    _write_rows(out / "annotations.csv", splits)
    if across:
        _write_rows(
            out / "generalization.csv", across + [row for row in splits if row[COLUMNS.index("split")] == "test"]
        )
    _stamp(stamp, wanted, complete=True)
    return out / "annotations.csv"


def _stamp(path: Path, plan: dict[str, object], *, complete: bool) -> None:
    path.write_text(json.dumps({"complete": complete, "plan": plan}, indent=1) + "\n", encoding="utf-8")
