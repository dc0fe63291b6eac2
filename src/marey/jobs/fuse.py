"""Several models answer together: what each says of the same clips, merged into one score a class (late fusion)."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ..data import Manifest, Quarantine, Sample
from ..errors import DataError, UsageError
from ..metrics import fit_score_svm, merge_scores
from ..report import counted
from ..results import Evaluation
from ..tasks import Recognition
from ..training import load_checkpoint
from ..video import ClipSpec
from .evaluate import clips_to_score, learned_by, score_arrays, tell_shown
from .flow_source import tell_stored
from .narrate import Narrator, Silent, tell_left_out, timed
from .prepare import ClassEdits, pick_workers
from .scores import Trained, model_file, open_model, sample_probabilities, stamp

FUSIONS = ("add", "mean", "svm")
ABSENT = {"input": "rgb", "calibration": "none"}  # what a stamp without such an entry means
_LEAST = 1e-12  # of a probability, so that its logarithm is finite


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
          model's mean probabilities are. "mean": probabilities are averaged (Simonyan and Zisserman, NIPS 2014).
          "svm": a linear SVM on normalized scores, fitted on the validation clips of the data (the same paper)

    A clip that one of the models cannot read is left out for all. The other arguments are those of `evaluate`; without
    data, the held-out clips are those of the first run, and clips that any of the others was trained on are counted.
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
        kept, streams = ask(samples, what="evaluate")
        fitted = ask(watched, what="fit on validation") if fuse == "svm" else None
    tell_left_out(narrator, quarantine.reasons)
    scores = fused(streams, task, fuse, fitted=fitted, seed=seed)
    protocol = together(opened, quarantine, fuse=fuse, views=views, clips=len(kept), split=split)
    learned = [sample for trained in opened for sample in learned_by(trained) or ()]
    if fitted is not None:
        protocol["fuse"] = f"svm fitted on {counted(len(fitted[0]), 'clip')} of val"
    if learned:
        who, does = "one of the models", "they do"
        protocol["clips_trained_on"] = tell_shown(kept, learned, narrator, who=who, does=does)
    return score_arrays(scores, kept, task, protocol, manifest=manifest, quarantined=quarantine.reasons, seed=seed)


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
) -> tuple[list[Sample], list[np.ndarray]]:
    """Those of the samples that every model could read, and what each says of them; DataError where there is none."""
    found = [
        sample_probabilities(
            trained,
            samples,
            quarantine,
            views=views,
            workers=workers,
            narrator=narrator,
            use_cache=use_cache,
            what=f"{what} {trained.header['preset']}",
        )
        for trained in models
    ]
    kept = sorted(set.intersection(*(set(answers) for answers in found)))
    if not kept:
        raise DataError(
            f"none of the {counted(len(samples), 'clip')} of {manifest.source} could be read by every model; "
            "`marey validate` says why"
        )
    return [samples[index] for index in kept], [np.stack([answers[i] for i in kept]) for answers in found]


def same_task(models: Sequence[Trained]) -> Recognition:
    """What all of them tell apart; UsageError where they differ."""
    first = models[0]
    for other in models[1:]:
        if other.task.multi_label != first.task.multi_label or dict(other.task.heads) != dict(first.task.heads):
            named = [f"{m.header['preset']} ({counted(m.task.classes, 'class')})" for m in (first, other)]
            raise UsageError(f"{' and '.join(named)} do not tell the same classes apart; fuse models of one data set")
    return first.task


def fused(
    streams: Sequence[np.ndarray],
    task: Recognition,
    fuse: str,
    *,
    fitted: tuple[Sequence[Sample], Sequence[np.ndarray]] | None = None,
    seed: int = 0,
) -> np.ndarray:
    """(n, classes) probabilities of (n, classes) each; `fitted` are validation samples and their streams, for "svm"."""
    if fuse == "mean":
        return merge_scores(streams, how="mean")
    if fuse == "add":
        return _probabilities(task, merge_scores([_logits(task, stream) for stream in streams], how="add"))
    assert fitted is not None
    samples, watched = fitted
    truth = task.targets(samples).numpy().astype(bool)
    margins = np.empty_like(streams[0])
    for part in task.parts().values():
        svm = fit_score_svm([stream[:, part] for stream in watched], truth[:, part], seed=seed)
        margins[:, part] = svm.scores([stream[:, part] for stream in streams])
    return _probabilities(task, margins)


def _logits(task: Recognition, probabilities: np.ndarray) -> np.ndarray:
    """Up to a constant a clip, which a softmax does not see."""
    held = np.log(np.clip(probabilities, _LEAST, None))
    return held - np.log(np.clip(1 - probabilities, _LEAST, None)) if task.multi_label else held


def _probabilities(task: Recognition, logits: np.ndarray) -> np.ndarray:
    return task.probabilities(torch.from_numpy(logits.astype(np.float32))).numpy()


def together(
    models: Sequence[Trained], quarantine: Quarantine, *, fuse: str, views: str, clips: int, split: str
) -> dict[str, object]:
    """The stamp of several models as one: what they share as it is, the rest joined by " + "."""
    stamps = [stamp(model, quarantine, views=views, clips=clips, split=split) for model in models]
    joined: dict[str, object] = {}
    for key in dict.fromkeys(key for one in stamps for key in one):
        values = [one.get(key, ABSENT.get(key)) for one in stamps]
        joined[key] = values[0] if all(value == values[0] for value in values) else " + ".join(map(str, values))
    return joined | {"fuse": fuse}
