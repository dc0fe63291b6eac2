"""A model slides over videos of any length in bounded memory: a Timeline each, as JSON, CSV and an overlay film."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

import numpy as np
import torch

from ..data import Quarantine, Views, sliding_views
from ..errors import UsageError, VideoError
from ..report import counted, write_events, write_overlay, write_timeline
from ..results import Timeline
from ..tasks import Cells, EventRule, cells_of, decide, named, rule_stamp
from ..video import Footage, VideoInfo, clip_seconds, open_input, probe, view_seconds, window_starts
from .flow_source import tell_stored
from .narrate import Narrator, Silent, progress_of, timed
from .prepare import list_videos
from .scores import Answers, Trained, clip_answers, clip_probabilities, open_model, parse_views, stamp

WINDOWS_AT_ONCE = 8

LEAST_HOP_FRAMES = 1


def predict(
    model: str | Path | Trained,
    videos: str | Path | Sequence[str | Path],
    *,
    out: str | Path | None = None,
    views: str | None = None,
    hop_s: float | None = None,
    rule: EventRule | None = None,
    overlay: bool = True,
    arrows: bool = False,
    device: str = "auto",
    decoder: str = "pyav",
    flow: str | Path | None = None,
    max_bad: int = 3,
    narrator: Narrator | None = None,
) -> tuple[dict[str, Timeline], dict[str, str]]:
    """({video: Timeline}, {video: why it could not be read}).

    model     a run folder, a .safetensors file, or what `open_model` returned
    videos    files, folders (searched for videos) or globs
    out       folder for NAME.json, NAME.csv and NAME.overlay.mp4; None writes nothing
    views     "TxS" makes `video_scores` the very numbers of `evaluate --views TxS`; None averages the windows
    hop_s     time from one window to the next; None is half a window; longer than a window is refused
    arrows    the film shows where things move, too
    device, decoder, flow  (as of `evaluate`) count where the model is a path: an open one has its own

    Each frame is decoded once for whatever looks at it; the film reads the video again, for its labels are not known
    before the end.
    """
    narrator, rule = narrator or Silent(), rule or EventRule()
    paths = list_videos(videos)
    if out is not None:
        refuse_file(Path(out))
    trained = (
        model if isinstance(model, Trained) else open_model(Path(model), device=device, decoder=decoder, flow=flow)
    )
    tell_stored(trained.spec.flow, paths, narrator)
    if hop_s is not None and not 0 < hop_s < float("inf"):
        raise UsageError(f"--hop is {hop_s} s; it must be more than 0")
    if hop_s is not None:
        refuse_gaps(trained, paths, hop_s)
    if views is not None:
        parse_views(views)
    quarantine, found = Quarantine(total=len(paths), limit=max_bad), {}
    for path in paths:
        try:
            with timed(narrator, f"{path}: scoring"):
                found[path] = _timeline(
                    trained, path, quarantine, views=views, hop_s=hop_s, rule=rule, narrator=narrator
                )
            if out is not None:
                name = output_names(found)[-1]
                _write(found[path], Path(out), name, overlay=overlay, arrows=arrows, narrator=narrator)
        except VideoError as error:
            found.pop(path, None)
            quarantine.add(error)
            narrator.say(f"left out: {error}")
    return found, quarantine.reasons


def output_names(read: Iterable[str]) -> list[str]:
    """A file stem for each video that was read, in order; videos of one name in several folders get numbers."""
    names: dict[str, None] = {}
    for path in read:
        stem = Path(path.replace("::", "-")).stem
        numbered = (f"{stem}-{number}" for number in count(2))
        names[next(name for name in chain([stem], numbered) if name not in names)] = None
    return list(names)


def output_files(read: Iterable[str], out: Path, *, overlay: bool) -> dict[str, list[str]]:
    """video that was read -> the files that `predict` wrote of it."""
    paths, endings = list(read), (".json", ".csv", ".overlay.mp4")[: 3 if overlay else 2]
    names = zip(paths, output_names(paths), strict=True)
    files = {path: [out / f"{name}{ending}" for ending in endings] for path, name in names}
    return {path: [str(file) for file in made if file.exists()] for path, made in files.items()}


def _write(timeline: Timeline, out: Path, name: str, *, overlay: bool, arrows: bool, narrator: Narrator) -> None:
    """A film that cannot be made costs the film alone."""
    out.mkdir(parents=True, exist_ok=True)
    write_timeline(timeline, out / f"{name}.json")
    write_events([timeline], out / f"{name}.csv")
    if not overlay:
        return
    tell = progress_of(narrator, f"film {Path(timeline.video).name}")
    try:
        write_overlay(timeline.video, timeline, out / f"{name}.overlay.mp4", arrows=arrows, progress=tell)
    except VideoError as error:
        narrator.say(
            f"no film of {timeline.video} ({error}); its events are written, and --no-overlay leaves films out"
        )


def refuse_file(out: Path) -> None:
    """UsageError where a file stands in the way of a folder to write to."""
    file = next((path for path in (out, *out.parents) if path.exists() and not path.is_dir()), None)
    if file is not None:
        raise UsageError(f"--out is {out}, and {file} is a file; name a folder")


def _timeline(
    trained: Trained,
    path: str,
    quarantine: Quarantine,
    *,
    views: str | None,
    hop_s: float | None,
    rule: EventRule,
    narrator: Narrator,
) -> Timeline:
    task = trained.task
    with open_input(path, trained.spec, decoder=trained.decoder) as video:
        duration_s = video.info.duration_s
        aside = None if views is None else views_of(trained, video.info, views)
        seen = look(trained, video, hop_s=hop_s, narrator=narrator, what=f"predict {Path(path).name}", aside=aside)
    whole = seen.scores
    if aside is not None:
        clips = torch.from_numpy(aside.clips).split(WINDOWS_AT_ONCE)
        whole = np.concatenate([clip_probabilities(trained, part).numpy() for part in clips])
    keys = [name for head in task.heads for name in named(task, head)]
    protocol = stamp(
        trained,
        quarantine,
        views=views or "windows",
        clips=1,
        window_s=round(seen.window_s, 6),
        hop_s=round(seen.hop_s, 6),
        events=rule_stamp(task, trained.calibration, rule),
    )
    found = decide(task, trained.calibration, rule, seen.cells(trained))
    return Timeline(path, duration_s, protocol, dict(zip(keys, map(float, whole.mean(0)), strict=True)), found)


def refuse_gaps(trained: Trained, paths: Sequence[str], hop_s: float) -> None:
    """UsageError where a hop is longer than a window, so that nobody would look at what lies between two, or so short
    that windows begin between two frames."""
    for path in paths:
        try:
            info = probe(path)
        except VideoError:
            continue  # named when its turn comes
        window_s = window_length(trained, info)
        if hop_s * info.fps < LEAST_HOP_FRAMES:
            least_s = float(LEAST_HOP_FRAMES / info.fps)
            raise UsageError(f"--hop is {hop_s:g} s, less than a frame of {path}; give at least {least_s:g}")
        if hop_s > window_s:
            raise UsageError(
                f"--hop is {hop_s:g} s and a window of {path} is {window_s:g} s, so parts of it would go unseen; "
                f"give at most {window_s:g}"
            )


def window_length(trained: Trained, info: VideoInfo) -> float:
    """Seconds that one window of this video shows the model."""
    spec = trained.spec
    if spec.sampling == "uniform":
        return trained.window_s
    return spec.frames * spec.stride / float(spec.fps or info.fps)


@dataclass(frozen=True)
class Look:
    """What a model says of every window of a stretch of video: scores (n, classes), novelty (n,) or None.

    starts_s counts from the start of the stretch, which is `duration_s` long.
    """

    starts_s: np.ndarray
    window_s: float
    hop_s: float
    duration_s: float
    scores: np.ndarray
    novelty: np.ndarray | None

    def cells(self, trained: Trained) -> Cells:
        """What that makes of every moment of it."""
        return cells_of(
            trained.calibration,
            starts_s=self.starts_s,
            window_s=self.window_s,
            duration_s=self.duration_s,
            scores=self.scores,
            novelty=self.novelty,
        )


def views_of(trained: Trained, info: VideoInfo, views: str) -> Views:
    """The clips of a whole video that `evaluate --views` would look at."""
    in_time, in_space = parse_views(views)
    seconds = view_seconds(trained.spec, info.fps, 0.0, info.duration_s, in_time)
    return Views(seconds, trained.spec, crop_count=in_space)


def look(
    trained: Trained,
    video: Footage,
    *,
    hop_s: float | None,
    narrator: Narrator,
    what: str,
    start_s: float = 0.0,
    end_s: float | None = None,
    aside: Views | None = None,
) -> Look:
    """Slide over a video, or the stretch of it from start_s to end_s; a hop of None is half a window.

    What `aside` wants of it is read on the way.
    """
    starts, window_s, hop_s, duration_s = windows_of(trained, video.info, hop_s=hop_s, start_s=start_s, end_s=end_s)
    narrator.detail(f"{video.info.path}: {counted(len(starts), 'window')} of {window_s:.2f} s, one every {hop_s:.2f} s")
    tell = progress_of(narrator, what)
    rows, novelty, done = [], [], 0
    for answers in window_answers(trained, video, starts + start_s, window_s, end_s=start_s + duration_s, aside=aside):
        rows.append(answers.probabilities.numpy())
        novelty += [] if answers.novelty is None else [answers.novelty]
        done += len(rows[-1])
        tell(done, len(starts))
    strange = np.concatenate(novelty) if novelty else None
    return Look(starts, window_s, hop_s, duration_s, np.concatenate(rows), strange)


def windows_of(
    trained: Trained, info: VideoInfo, *, hop_s: float | None, start_s: float = 0.0, end_s: float | None = None
) -> tuple[np.ndarray, float, float, float]:
    """(starts from start_s, seconds of a window, of a hop, of the stretch) for a stretch of a video."""
    duration_s = (info.duration_s if end_s is None else min(end_s, info.duration_s)) - start_s
    window_s = min(window_length(trained, info), duration_s)
    hop_s = min(hop_s or window_s / 2, window_s)
    return window_starts(duration_s, window_s, hop_s), window_s, hop_s, duration_s


def window_answers(
    trained: Trained,
    video: Footage,
    starts: np.ndarray,
    window_s: float,
    *,
    end_s: float,
    aside: Views | None = None,
) -> Iterator[Answers]:
    """Answers about a few windows at a time, so that memory does not grow with the video."""
    spec, fps = trained.spec, video.info.fps
    seconds = np.stack([clip_seconds(spec, fps, start, min(start + window_s, end_s), 0.5) for start in starts])
    for clips in sliding_views(video, seconds, spec, at_once=WINDOWS_AT_ONCE, aside=aside):
        yield clip_answers(trained, torch.from_numpy(clips))
