"""What a finished run shows: evaluation, report page, model card, and the efficiency figures measured for them."""

from collections.abc import Mapping, Sequence
from time import perf_counter

import numpy as np
import torch

from ..data import Manifest, Sample, group_leaks, read_views
from ..errors import VideoError
from ..presets import count, counted_in_part
from ..report import counted, render_card, render_html, worst_clips, write_text
from ..results import Evaluation, Report
from ..training import measure_memory
from ..video import MOTION, ClipSpec
from .evaluate import evaluation_dict
from .pictures import motion_pictures, thumbnails
from .run import Run, write_json
from .scores import Trained, clip_probabilities

TIMED_CLIPS = 8


def publish(
    run: Run,
    trained: Trained,
    evaluations: Mapping[str, Evaluation],
    *,
    manifest: Manifest,
    samples: Sequence[Sample],
    history: Sequence[Mapping[str, float]],
    train_minutes: float,
    baselines: Mapping[str, Evaluation] | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Write report.html, model_card.md and, last, evaluation.json, which marks the run as finished.

    samples  those that were evaluated; a few are timed from file to probabilities
    baselines, notes  of the report
    A model of several heads gets its first head into report.html and card, and a page report-HEAD.html for each other.
    """
    efficiency = measure_efficiency(trained, samples) | {"train_minutes": train_minutes}
    for number, (head, evaluation) in enumerate(evaluations.items()):
        title = f"{run.folder.name}: {head}" if len(evaluations) > 1 else run.folder.name
        report = make_report(
            run,
            evaluation,
            title=title,
            manifest=manifest,
            fed=trained.spec,
            history=history,
            efficiency=efficiency,
            baselines=baselines,
            notes=notes,
        )
        suffix = f"-{head}" if number else ""
        write_text(render_html(report), run.folder / f"report{suffix}.html")
        write_text(render_card(report), run.folder / f"model_card{suffix}.md")
    write_json(run.folder / "evaluation.json", {**evaluation_dict(evaluations), "efficiency": efficiency})


def make_report(
    run: Run,
    evaluation: Evaluation,
    *,
    title: str,
    manifest: Manifest,
    fed: ClipSpec,
    history: Sequence[Mapping[str, float]] = (),
    efficiency: Mapping[str, float],
    baselines: Mapping[str, Evaluation] | None = None,
    baseline_efficiency: Mapping[str, Mapping[str, float]] | None = None,
    notes: Sequence[str] = (),
) -> Report:
    """The report of a run, with pictures of its worst clips: of frames, or of the motion that the model was fed."""
    worst, moving = worst_clips(evaluation), fed.modality in MOTION
    return Report(
        title=title,
        evaluation=evaluation,
        baselines=baselines or {},
        history=tuple(history),
        efficiency=efficiency,
        baseline_efficiency=baseline_efficiency or {},
        thumbnails={} if moving else dict(thumbnails(worst)),
        motion=dict(motion_pictures(worst, fed)) if moving else {},
        run={**run.info, "folder": str(run.folder)},
        notes=(*notes, *_known_notes(evaluation), *data_notes(manifest)),
    )


def measure_efficiency(trained: Trained, samples: Sequence[Sample]) -> dict[str, float]:
    """params, gmacs, and of a few clips, one at a time, from file to probabilities: ms_per_clip and peak_memory_mb.

    `gmacs_in_part` says that features are computed by hand too, which gmacs leave out and ms_per_clip holds. Memory is
    what answering takes above the loaded model.
    """
    size = count(trained.model, trained.spec)
    in_part = counted_in_part(trained.model, trained.spec)
    figures: dict[str, float] = {"params": size.params, "gmacs": size.gmacs, "gmacs_in_part": in_part}
    times = []
    with measure_memory(trained.device) as memory:
        for sample in samples[: TIMED_CLIPS + 1]:
            begun = perf_counter()
            try:
                clip_probabilities(trained, torch.from_numpy(read_views(sample, trained.spec, decoder=trained.decoder)))
            except VideoError:
                continue
            times.append(perf_counter() - begun)
    if len(times) > 1:  # the first one warms up
        figures["ms_per_clip"] = 1000 * float(np.median(times[1:]))
        figures["peak_memory_mb"] = memory.peak_bytes / 2**20
    return figures


def _known_notes(evaluation: Evaluation) -> list[str]:
    """A sentence where the model had learned from clips that it is tested on, or nobody can tell."""
    shown, tested = evaluation.protocol.get("clips_trained_on", 0), counted(len(evaluation.clips), "clip")
    if shown == 0:
        return []
    if shown == "unknown":
        return [f"Not all that it was trained on is known: some of the {tested} may be among it."]
    return [
        f"It was trained on {shown} of the {tested} that it is tested on, by itself or as what it goes on from: the "
        "figure is too good."
    ]


def data_notes(manifest: Manifest) -> list[str]:
    """Sentences about the data that a reader must not miss; what the figures themselves show the report says."""
    leaks = [f"A leak: {leak.message}." for leak in group_leaks(manifest)]
    if leaks or any(sample.group is not None for sample in manifest.samples):
        return leaks
    return [
        "The data name no source, subject or camera, so clips of one recording may be on both sides of the split "
        "unless they look alike: the figure can be too good. A group column (--group-by) settles it."
    ]
