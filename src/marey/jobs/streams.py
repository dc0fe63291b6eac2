"""What several models say of the same clips, merged into one score a class, whichever of them know a clip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..data import Manifest, Sample
from ..metrics import fit_score_svm, merge_scores, paired_difference
from ..results import Estimate, Evaluation
from ..tasks import Recognition
from .evaluate import score_arrays

FUSIONS = ("add", "mean", "mean-logits", "svm")
_LEAST = 1e-12  # of a probability, so that its logarithm is finite


@dataclass(frozen=True)
class Streams:
    """Probabilities (n, classes) of n samples by each model; a row of NaN where it could not read the sample."""

    samples: Sequence[Sample]
    scores: Sequence[np.ndarray]

    @property
    def lacking(self) -> list[int]:
        """How many of the samples each model could not read."""
        return [int(np.isnan(scores).all(1).sum()) for scores in self.scores]


def fused(
    streams: Streams, task: Recognition, fuse: str, *, fitted: Streams | None = None, seed: int = 0
) -> np.ndarray:
    """(n, classes) probabilities, merged in one of FUSIONS; `fitted` is what "svm" is fitted on."""
    if fuse == "mean":
        return merge_scores(streams.scores, how="mean")
    if fuse != "svm":
        how = "add" if fuse == "add" else "mean"
        return _probabilities(task, merge_scores([_logits(task, scores) for scores in streams.scores], how=how))
    assert fitted is not None
    truth = task.targets(fitted.samples).numpy().astype(bool)
    margins = np.empty_like(streams.scores[0])
    for part in task.parts().values():
        svm = fit_score_svm([scores[:, part] for scores in fitted.scores], truth[:, part], seed=seed)
        margins[:, part] = svm.scores([scores[:, part] for scores in streams.scores])
    return _probabilities(task, margins)


def _logits(task: Recognition, probabilities: np.ndarray) -> np.ndarray:
    """Up to a constant a clip, which a softmax does not see."""
    held = np.log(np.clip(probabilities, _LEAST, None))
    return held - np.log(np.clip(1 - probabilities, _LEAST, None)) if task.multi_label else held


def _probabilities(task: Recognition, logits: np.ndarray) -> np.ndarray:
    return task.probabilities(torch.from_numpy(logits.astype(np.float32))).numpy()


def stream_figures(
    streams: Streams,
    together: Mapping[str, Evaluation],
    task: Recognition,
    names: Sequence[str],
    *,
    manifest: Manifest,
    seed: int,
) -> dict[str, dict[str, dict[str, Estimate]]]:
    """Head -> "1 NAME, n clips" -> "top1" of that model on the clips that it knows, and by how much the models together
    are right more often on these very clips: "together_less". Nothing of clips with several classes each."""
    found: dict[str, dict[str, dict[str, Estimate]]] = {head: {} for head in together}
    for number, (name, scores) in enumerate(zip(names, streams.scores, strict=True), 1):
        known = np.flatnonzero(~np.isnan(scores).all(1))
        samples = [streams.samples[i] for i in known.tolist()]
        alone = score_arrays(scores[known], samples, task, {}, manifest=manifest, quarantined={}, seed=seed)
        for head, own in alone.items():
            if own.multi_label:
                continue
            all_right = np.array([clip.right for clip in together[head].clips], float)
            right = np.array([clip.right for clip in own.clips], float)
            groups = [clip.group for clip in own.clips]
            found[head][f"{number} {name}, {len(known)} clips"] = {
                "top1": own.metrics["top1"],
                "together_less": paired_difference(
                    all_right[known], right, groups=groups if any(groups) else None, seed=seed
                ),
            }
    return found
