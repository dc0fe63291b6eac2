"""Several models answer together: what each says of the same clips, merged into one score a class (late fusion)."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ..data import Manifest, Quarantine, Sample
from ..errors import DataError, UsageError, VideoError
from ..report import counted
from ..results import Evaluation
from ..tasks import Recognition
from ..training import load_checkpoint
from ..video import ClipSpec
from .evaluate import clips_to_score, score_arrays
from .flow_source import tell_stored
from .learned import joined, learned_by, tell_shown
from .narrate import Narrator, Silent, tell_left_out, timed
from .prepare import ClassEdits, pick_workers
from .scores import Trained, model_file, open_model, sample_probabilities, stamp
from .streams import FUSIONS, Streams, fused, stream_figures

ABSENT = {"input": "rgb", "calibration": "none"}  # what a stamp without such an entry means


def evaluate_together(
    models: Sequence[str | Path | Trained],
    data: str | Path | Manifest | None = None,
    *,
    fuse: str = "add",
    split: str | None = None,
    views: str = "1x1",
    kind: str | None = None,
    root: str | Path | None = None,
    group_by: str | None = None,
    edits: ClassEdits | None = None,
    device: str = "auto",
    decoder: str = "pyav",
    flow: str | Path | None = None,
    workers: int | None = None,
    max_bad: int = 3,
    seed: int = 0,
    use_cache: bool = True,
    narrator: Narrator | None = None,
) -> dict[str, Evaluation]:
    """Head -> Evaluation of several models as one; they must know the same classes.

    fuse  "add": logits are added (Carreira and Zisserman, CVPR 2017); with several views a clip, the logarithms of each
          model's mean probabilities are. "mean-logits": they are averaged. "mean": probabilities are averaged (Simonyan
          and Zisserman, NIPS 2014). "svm": a linear SVM on normalized scores, fitted on the validation clips of the
          data (the same paper)

    Of a clip that some of the models cannot read (it has no sound, say), the others answer; how many clips each lacks
    is stamped, and the breakdown "models" has the figures of each on the clips that it knows. The other arguments are
    those of `evaluate`; without data, the held-out clips are those of the first run, and clips that any of the others
    was trained on are counted.
    """
    narrator = narrator or Silent()
    if len(models) < 2:
        raise UsageError("one model has nothing to be fused with; name two or more, or drop --fuse")
    if fuse not in FUSIONS:
        raise UsageError(f"--fuse is {fuse!r}; it is one of {', '.join(FUSIONS)}")
    files = [model_file(Path(model)).resolve() for model in models if not isinstance(model, Trained)]
    if len(set(files)) < len(files):
        raise UsageError(f"a model is named twice ({max(files, key=files.count)}); fuse different ones")
    manifest, samples, split = clips_to_score(
        models[0], data, split=split, kind=kind, root=root, group_by=group_by, edits=edits
    )
    opened = _opened(models, device=device, decoder=decoder, flow=flow)
    task = same_task(opened)
    task.targets(samples)
    watched = [sample for sample in manifest.samples if sample.split == "val"] if fuse == "svm" else []
    if fuse == "svm" and (split == "val" or not watched):
        raise UsageError(
            f"--fuse svm is fitted on validation clips, and {manifest.source} leaves none beside the {split} ones; "
            "take --fuse add or mean"
        )
    for trained in opened:
        tell_stored(trained.spec.flow, [sample.path for sample in (*samples, *watched)], narrator)
    quarantine = Quarantine(total=len(samples) + len(watched), limit=max_bad)

    ask = partial(
        _answers,
        opened,
        manifest=manifest,
        quarantine=quarantine,
        views=views,
        workers=pick_workers(workers),
        use_cache=use_cache,
        narrator=narrator,
    )
    with timed(narrator, "scoring"):
        streams = ask(samples, what="evaluate")
        fitted = ask(watched, what="fit on validation") if fuse == "svm" else None
    tell_left_out(narrator, quarantine.reasons)
    scores = fused(streams, task, fuse, fitted=fitted, seed=seed)
    protocol = together(opened, quarantine, streams, fuse=fuse, fitted=fitted, views=views, split=split)
    learned, who, does = joined([learned_by(trained.path) for trained in opened]), "one of the models", "they do"
    protocol["clips_trained_on"] = tell_shown(streams.samples, learned, narrator, who=who, does=does)
    found = score_arrays(
        scores, streams.samples, task, protocol, manifest=manifest, quarantined=quarantine.reasons, seed=seed
    )
    figures = stream_figures(streams, found, task, [m.header["preset"] for m in opened], manifest=manifest, seed=seed)
    return {head: replace(own, breakdowns={**own.breakdowns, "models": figures[head]}) for head, own in found.items()}


def _opened(
    models: Sequence[str | Path | Trained], *, device: str, decoder: str, flow: str | Path | None
) -> list[Trained]:
    """The models, those that are fed optical flow with that which was asked for."""
    files = [] if flow is None else [model for model in models if not isinstance(model, Trained)]
    clips = {file: ClipSpec.from_dict(load_checkpoint(model_file(Path(file)))[0]["clip"]) for file in files}
    if files and not any(clip.fed_flow for clip in clips.values()):
        raise UsageError("--flow is for networks that are fed optical flow, and none of these models is; drop it")
    return [
        model
        if isinstance(model, Trained)
        else open_model(
            Path(model),
            device=device,
            decoder=decoder,
            flow=flow if model in clips and clips[model].fed_flow else None,
        )
        for model in models
    ]


def _answers(
    models: Sequence[Trained],
    samples: Sequence[Sample],
    *,
    manifest: Manifest,
    quarantine: Quarantine,
    views: str,
    workers: int,
    use_cache: bool,
    narrator: Narrator,
    what: str,
) -> Streams:
    """What each model says of the samples that any of them could read; DataError where one could read none."""
    found, unread = [], {}
    for trained in models:
        own, name = Quarantine(total=len(samples), limit=len(samples)), trained.header["preset"]
        answers = sample_probabilities(
            trained,
            samples,
            own,
            views=views,
            workers=workers,
            narrator=narrator,
            use_cache=use_cache,
            what=f"{what} {name}",
        )
        first = next((f"{path}: {reason}" for path, reason in own.reasons.items()), "")
        if not answers:
            raise DataError(
                f"{name} could read none of the {counted(len(samples), 'clip')} of {manifest.source} (first {first}); "
                "leave it out"
            )
        if len(answers) < len(samples):
            lacking = f"{name} has nothing to say of {len(samples) - len(answers)} of {counted(len(samples), 'clip')}"
            narrator.say(f"{lacking} (first {first})")
        found.append(answers)
        unread |= own.reasons
    kept = sorted(set.union(*(set(answers) for answers in found)))
    read = {samples[index].path for index in kept}
    for path, reason in unread.items():
        if path not in read:
            quarantine.add(VideoError(path, reason))
    nothing = np.full(models[0].task.classes, np.nan, np.float32)
    rows = [np.stack([answers.get(index, nothing) for index in kept]) for answers in found]
    return Streams([samples[index] for index in kept], rows)


def same_task(models: Sequence[Trained]) -> Recognition:
    """What all of them tell apart; UsageError where they differ."""
    first = models[0]
    for other in models[1:]:
        if other.task.multi_label != first.task.multi_label or dict(other.task.heads) != dict(first.task.heads):
            named = [f"{m.header['preset']} ({counted(m.task.classes, 'class')})" for m in (first, other)]
            raise UsageError(f"{' and '.join(named)} do not tell the same classes apart; fuse models of one data set")
    return first.task


def together(
    models: Sequence[Trained],
    quarantine: Quarantine,
    streams: Streams,
    *,
    fuse: str,
    fitted: Streams | None,
    views: str,
    split: str,
) -> dict[str, object]:
    """The stamp of several models as one: what they share as it is, the rest joined by " + "."""
    stamps = [stamp(model, quarantine, views=views, clips=len(streams.samples), split=split) for model in models]
    joined: dict[str, object] = {}
    for key in dict.fromkeys(key for one in stamps for key in one):
        values = [one.get(key, ABSENT.get(key)) for one in stamps]
        joined[key] = values[0] if all(value == values[0] for value in values) else " + ".join(map(str, values))
    joined["fuse"] = fuse if fitted is None else f"svm fitted on {counted(len(fitted.samples), 'clip')} of val"
    return joined | ({"clips_lacking": " + ".join(map(str, streams.lacking))} if any(streams.lacking) else {})
