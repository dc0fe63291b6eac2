"""Rendering a data set: the shots of a plan in worker processes, and then the files that describe them."""

import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from fractions import Fraction
from functools import partial
from os import PathLike
from pathlib import Path

import cv2

from ...errors import UsageError
from ...video import VideoWriter
from .classes import CLASSES
from .motion import write_flow
from .plan import Plan, Shot, shots
from .publish import Entry, entry, publish
from .sound import RATE, soundtrack
from .take import direct, film

_PRESET = "superfast"  # a tenth more frames a second than "veryfast", in files a quarter larger


def render_shot(numbered: tuple[int, Shot], out: Path, flow: bool) -> Entry:
    """Render one clip below `out` and return its labels."""
    number, shot = numbered
    cv2.setNumThreads(1)
    path = out / shot.path
    path.parent.mkdir(parents=True, exist_ok=True)
    take = direct(shot)
    samples = soundtrack(take)
    with VideoWriter(path, fps=Fraction(shot.fps), size=shot.size, audio_rate=RATE, preset=_PRESET) as writer:
        for t, frame in enumerate(film(take)):
            writer.write(frame)
            if t % shot.fps == 0:
                writer.write_audio(samples[t // shot.fps * RATE : (t // shot.fps + 1) * RATE])
    if flow:
        write_flow(take, out)
    return entry(take, number)


def _each(planned: Sequence[Shot], out: Path, flow: bool, workers: int) -> Iterator[Entry]:
    """Render in this process, or in `workers` fresh ones; results come in the order of the plan."""
    work = partial(render_shot, out=out, flow=flow)
    if workers == 1:
        yield from map(work, enumerate(planned))
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        try:
            yield from pool.map(work, enumerate(planned), chunksize=4)
        finally:
            pool.shutdown(cancel_futures=True)


def render(
    out: str | PathLike[str],
    *,
    level: str = "studio",
    style: str = "figure",
    clips_per_class: int = 24,
    classes: Sequence[str] | None = None,
    actors: int = 30,
    scenes: int = 30,
    seconds: float | int = 2.0,
    fps: int = 25,
    size: tuple[int, int] = (160, 120),
    seed: int = 0,
    workers: int = 2,
    cross_per_class: int = 0,
    untrimmed: int = 0,
    untrimmed_s: float | int = 30.0,
    flow: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Render a data set into the folder `out` and return the path of its `annotations.csv`.

    level            "studio": plain and steady; "street": clutter, crowds, occluders, a moving camera, several scales
    style            "figure", or "point-light": dots at the joints, where motion is all there is (Johansson, 1973)
    clips_per_class  over all splits; a quarter is for the test, whose actors and scenes are seen in no other split
    cross_per_class  clips in three more conditions: seen, actor-unseen, scene-unseen; `labels/generalization.csv`
    untrimmed        long recordings of several actions, each untrimmed_s seconds, in `labels/untrimmed.csv`
    flow             writes exact optical flow and occlusions too: much space

    The same arguments and libraries give the same bytes, whatever the number of workers. A folder that already holds
    exactly this data set is left as it is, an interrupted one is rendered again; any other that is not empty is refused
    with a UsageError. With more than one worker the calling script needs the usual `if __name__ == "__main__":`.
    """
    out, names = Path(out), tuple(CLASSES) if classes is None else tuple(classes)
    plan = Plan(
        level=level,
        style=style,
        classes=names,
        clips_per_class=clips_per_class,
        cross_per_class=cross_per_class,
        untrimmed=untrimmed,
        untrimmed_s=float(untrimmed_s),
        actors=actors,
        scenes=scenes,
        seconds=float(seconds),
        fps=fps,
        size=size,
        seed=seed,
        flow=flow,
    )
    if workers < 1:
        raise UsageError(f"stage workers is {workers}; it must be 1 or more")
    stamp, wanted = out / "stage.json", json.loads(json.dumps(asdict(plan)))
    if _is_there(stamp, wanted):
        return out / "annotations.csv"
    out.mkdir(parents=True, exist_ok=True)
    _stamp(stamp, wanted, complete=False)
    planned, entries = shots(plan), []
    for made in _each(planned, out, flow, workers):
        entries.append(made)
        if progress:
            progress(len(entries), len(planned))
    publish(out, plan, planned, entries)
    _stamp(stamp, wanted, complete=True)
    return out / "annotations.csv"


def _is_there(stamp: Path, wanted: dict[str, object]) -> bool:
    """Whether exactly this data set is in the folder already; UsageError if anything else is."""
    out = stamp.parent
    if not stamp.exists():
        if out.exists() and not (out.is_dir() and not any(out.iterdir())):
            raise UsageError(f"{out} is not an empty folder and holds no stage data set; give another folder")
        return False
    try:
        found = json.loads(stamp.read_text(encoding="utf-8"))
        arguments, complete = found["plan"], found["complete"]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{stamp} is damaged; remove {out} or give another folder") from error
    if arguments != wanted:
        raise UsageError(f"{out} holds a data set rendered with other arguments; give another folder or remove it")
    return bool(complete)


def _stamp(path: Path, plan: dict[str, object], *, complete: bool) -> None:
    path.write_text(json.dumps({"complete": complete, "plan": plan}, indent=1) + "\n", encoding="utf-8")
