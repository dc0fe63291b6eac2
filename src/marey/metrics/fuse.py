"""Late fusion: the scores that several networks give the same clips, merged into one.

Axes: n clips, k classes, d = streams * k. Scores are logits or probabilities, of each stream as it likes, but those of
streams that are averaged or added must be of one kind. A row of NaN says that a stream has nothing to say of a clip.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

Scores = Float[np.ndarray, "_ _"]  # (n, k); that streams agree is checked, and said in a sentence
_ITERATIONS = 20_000


def merge_scores(
    streams: Sequence[Scores], *, how: Literal["mean", "add"] = "mean", weights: Sequence[float] | None = None
) -> Scores:
    """The mean of the streams' scores, or their sum; `weights`, one a stream, make both weighted.

    Two-stream networks average (Simonyan and Zisserman, NIPS 2014), Two-Stream I3D adds logits (Carreira and Zisserman,
    CVPR 2017): the order of the classes is the same, probabilities that are made of them are not. Of a clip that not
    all streams know, those that do are averaged or added. ValueError for streams of other clips or classes, scores that
    are not finite, or weights that do not fit.
    """
    _check(streams)
    parts = np.ones(len(streams)) if weights is None else np.asarray(weights, float)
    if parts.shape != (len(streams),) or not np.isfinite(parts).all() or (parts < 0).any() or not parts.any():
        raise ValueError(
            f"weights are {weights} for {len(streams)} streams; give one number of 0 or more for each, not all 0"
        )
    shares = parts[:, None] * _known(streams)
    if not shares.any(0).all():
        raise ValueError(
            f"weights are {weights}, and some clips are known to streams of weight 0 alone; leave them out"
        )
    total = sum(share[:, None] * np.nan_to_num(scores) for share, scores in zip(shares, streams, strict=True))
    return np.asarray(total / shares.sum(0)[:, None] if how == "mean" else total)


@dataclass(frozen=True)
class ScoreSvm:
    """A linear SVM a class on the streams' scores; `fit_score_svm` makes it.

    weights  (k, d)
    bias     (k,)
    neutral  (d,): what stands for a stream that does not know a clip, its mean normalized scores on the clips that the
             SVM was fitted on, so that it speaks for no class more than it does on average
    """

    weights: np.ndarray
    bias: np.ndarray
    neutral: np.ndarray

    def scores(self, streams: Sequence[Scores]) -> Scores:
        """How far on the positive side of each class a clip is; ValueError for other streams than it was fitted on."""
        features = stacked_scores(streams)
        if features.shape[1] != self.weights.shape[1]:
            raise ValueError(
                f"streams have {features.shape[1]} scores a clip and the SVM was fitted on {self.weights.shape[1]}; "
                "give the same streams in the same order"
            )
        return np.where(np.isnan(features), self.neutral, features) @ self.weights.T + self.bias


def fit_score_svm(
    streams: Sequence[Scores],
    truth: Int[np.ndarray, " _"] | Bool[np.ndarray, "_ _"],
    *,
    c: float = 1.0,
    seed: int = 0,
) -> ScoreSvm:
    """Fusion by a linear SVM on stacked, normalized scores (Simonyan and Zisserman, NIPS 2014, arXiv:1406.2199).

    Fit it on validation scores: those of training clips are too good. `truth` is one class a clip, or which classes it
    has; each class is told from all others, by squared hinge loss with the penalty `c`. A class that all clips have,
    or none, gets the same score everywhere, 1 or -1. ValueError for truth that does not fit.
    """
    from sklearn.svm import LinearSVC

    features, classes = stacked_scores(streams), streams[0].shape[1]
    if not _known(streams).any(1).all():
        raise ValueError("a stream knows none of the clips to fit on; leave it out, or fit on others")
    neutral = np.nanmean(features, axis=0)
    features = np.where(np.isnan(features), neutral, features)
    if len(truth) != len(features):
        raise ValueError(f"truth has {len(truth)} clips and the streams {len(features)}; give both for the same clips")
    if truth.ndim == 1 and (truth.min() < 0 or truth.max() >= classes):
        raise ValueError(f"truth reaches from {truth.min()} to {truth.max()}; classes count from 0 to {classes - 1}")
    positive = truth if truth.ndim == 2 else np.equal.outer(truth, np.arange(classes))
    weights, bias = np.zeros((classes, features.shape[1])), np.where(positive.all(0), 1.0, -1.0)
    for column in np.flatnonzero(positive.any(0) & ~positive.all(0)):
        svm = LinearSVC(C=c, dual="auto", max_iter=_ITERATIONS, random_state=seed)
        svm.fit(features, positive[:, column])
        weights[column], bias[column] = np.ravel(svm.coef_), np.ravel(svm.intercept_)[0]
    return ScoreSvm(weights, bias, neutral)


def stacked_scores(streams: Sequence[Scores]) -> Float[np.ndarray, "_ _"]:
    """The scores of every stream, each clip's scaled to length 1, side by side; NaN where a stream has none."""
    _check(streams)
    lengths = [np.linalg.norm(scores, axis=1, keepdims=True) for scores in streams]
    return np.concatenate(
        [scores / np.maximum(length, np.finfo(float).tiny) for scores, length in zip(streams, lengths, strict=True)], 1
    ).astype(float)


def _check(streams: Sequence[Scores]) -> None:
    if not streams:
        raise ValueError("there are no scores to fuse; give those of one network or more")
    for number, scores in enumerate(streams, start=1):
        if scores.shape != streams[0].shape:
            raise ValueError(
                f"stream {number} has scores {scores.shape} and stream 1 {streams[0].shape}; "
                "fuse networks of the same classes on the same clips"
            )
        if not np.isfinite(scores[~np.isnan(scores).all(1)]).all():
            raise ValueError(f"stream {number} has scores that are not finite numbers; score its clips again")
    if not _known(streams).any(0).all():
        raise ValueError("some clips are known to no stream; leave them out")


def _known(streams: Sequence[Scores]) -> Bool[np.ndarray, "s n"]:
    """Which stream has something to say of which clip."""
    return ~np.stack([np.isnan(scores).all(1) for scores in streams])
