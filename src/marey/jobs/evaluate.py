"""Score a trained model on labelled clips, with the protocol that makes the figures reproducible."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Manifest, Quarantine, Sample
from ..errors import DataError, UsageError
from ..metrics import evaluate_scores
from ..results import Evaluation
from ..tasks import Recognition
from .narrate import Narrator, Silent, tell_left_out, timed
from .prepare import ClassEdits, load_data, pick_workers
from .run import read_run
from .scores import Trained, open_model, sample_probabilities, stamp


def evaluate(
    model: str | Path | Trained,
    data: str | Path | Manifest | None = None,
    *,
    split: str | None = None,
    views: str = "1x1",
    kind: str | None = None,
    root: str | Path | None = None,
    group_by: str | None = None,
    edits: ClassEdits | None = None,
    device: str = "auto",
    decoder: str = "pyav",
    workers: int | None = None,
    max_bad: int = 3,
    seed: int = 0,
    use_cache: bool = True,
    narrator: Narrator | None = None,
) -> dict[str, Evaluation]:
    """Head -> Evaluation; data of one head have the one key "label".

    model  a run folder, a .safetensors file, or what `open_model` returned
    data   labelled clips; None is the run's own held-out split
    split  "train", "val" or "test" of the data; None is the test split of the run's own data, and all of other data
    views  "TxS": clips in time x crops in space, averaged
    device, decoder  count where the model is a path: an open one has its own
    """
    narrator = narrator or Silent()
    if data is None:
        if isinstance(model, Trained) or not Path(model).is_dir():
            raise UsageError(f"{model} is no run folder and so has no held-out split; name the data to evaluate on")
        manifest = read_run(Path(model)).manifest()
        split = split or ("test" if any(s.split == "test" for s in manifest.samples) else "val")
    elif isinstance(data, Manifest):
        manifest = data
    else:
        manifest = load_data(data, kind=kind, root=root, group_by=group_by, edits=edits)
    trained = model if isinstance(model, Trained) else open_model(Path(model), device=device, decoder=decoder)
    samples = [s for s in manifest.samples if split is None or s.split == split]
    if not samples:
        raise UsageError(f"{manifest.source} has no clips in its {split} split; its splits are {_splits(manifest)}")
    return score(
        trained,
        samples,
        manifest,
        split=split or "all",
        views=views,
        workers=pick_workers(workers),
        max_bad=max_bad,
        seed=seed,
        use_cache=use_cache,
        narrator=narrator,
    )


def score(
    trained: Trained,
    samples: Sequence[Sample],
    manifest: Manifest,
    *,
    split: str,
    views: str,
    workers: int,
    max_bad: int,
    seed: int,
    use_cache: bool,
    narrator: Narrator,
) -> dict[str, Evaluation]:
    """The evaluation of every head on these samples of a manifest."""
    trained.task.targets(samples)  # a label that the model does not know is refused before anything is decoded
    quarantine = Quarantine(total=len(samples), limit=max_bad)
    with timed(narrator, "scoring"):
        found = sample_probabilities(
            trained, samples, quarantine, views=views, workers=workers, narrator=narrator, use_cache=use_cache
        )
    tell_left_out(narrator, quarantine.reasons)
    if not found:
        raise DataError(
            f"none of the {len(samples)} clips of {manifest.source} could be read; `marey validate` says why"
        )
    kept = [samples[index] for index in sorted(found)]
    scores = np.stack([found[index] for index in sorted(found)])
    protocol = stamp(trained, quarantine, views=views, clips=len(kept), split=split)
    return score_arrays(
        scores, kept, trained.task, protocol, manifest=manifest, quarantined=quarantine.reasons, seed=seed
    )


def score_arrays(
    scores: np.ndarray,
    samples: Sequence[Sample],
    task: Recognition,
    protocol: dict[str, object],
    *,
    manifest: Manifest,
    quarantined: dict[str, str],
    seed: int = 0,
) -> dict[str, Evaluation]:
    """(n, classes) probabilities of n samples to one Evaluation a head."""
    truth = task.targets(samples).numpy()
    grouped = all(sample.group is not None for sample in samples)
    found = {}
    for head, part in task.parts().items():
        found[head] = evaluate_scores(
            scores[:, part],
            truth[:, part].astype(bool) if task.multi_label else truth[:, part].argmax(1),
            task.heads[head],
            paths=[sample.path for sample in samples],
            spans=[(sample.start_s, sample.end_s) for sample in samples],
            groups=[sample.group for sample in samples] if grouped else None,
            class_groups=manifest.class_groups,
            parts=seen_parts(samples, manifest),
            protocol=protocol,
            quarantined=quarantined,
            seed=seed,
        )
    return found


def seen_parts(samples: Sequence[Sample], manifest: Manifest) -> dict[str, list[str | None]]:
    """The breakdown "seen": was each sample's group trained on; empty where none was, or groups are unknown."""
    trained = {sample.group for sample in manifest.samples if sample.split == "train" and sample.group is not None}
    parts = [None if s.group is None else "seen" if s.group in trained else "unseen" for s in samples]
    return {"seen": parts} if "seen" in parts else {}


def evaluation_dict(evaluations: Mapping[str, Evaluation]) -> dict[str, Any]:
    """JSON of one evaluation with its plain figures at the top (`top1`, ...); of several heads, by their names."""
    plain = {
        head: {**{name: e.value for name, e in evaluation.metrics.items()}, **evaluation.to_dict()}
        for head, evaluation in evaluations.items()
    }
    if len(plain) == 1:
        return next(iter(plain.values()))
    return {"top1": next(iter(plain.values())).get("top1"), "heads": plain}


def read_evaluations(folder: Path) -> dict[str, Evaluation]:
    """What a finished run's evaluation.json holds, by head."""
    data = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    return {head: Evaluation.from_dict(part) for head, part in data.get("heads", {"label": data}).items()}


def _splits(manifest: Manifest) -> str:
    return ", ".join(sorted({str(sample.split) for sample in manifest.samples}))
