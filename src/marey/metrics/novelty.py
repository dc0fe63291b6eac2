"""How unlike what it was taught a clip is to a model: novelty, larger for stranger clips."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

import numpy as np


def energy(logits: np.ndarray, parts: Iterable[slice], *, multi_label: bool) -> np.ndarray:
    """(n,): the free energy of (n, classes) logits at temperature 1 (Liu et al., NeurIPS 2020).

    Of several heads it is the sum of theirs, which is the energy of their joint classes; where clips may have several
    classes it is summed over them (joint energy, Wang et al., NeurIPS 2021).
    """
    logits = np.asarray(logits, np.float64)
    if multi_label:
        return -np.logaddexp(0.0, logits).sum(1)
    return -np.sum([np.logaddexp.reduce(logits[:, part], axis=1) for part in parts], axis=0)


@dataclass(frozen=True)
class ClassMeans:
    """The classes as an encoder sees them: where each one's clips lie on the mean, all features on one scale.

    middle, spread  (d,) mean and standard deviation of the training clips' features
    means           (classes, d) mean of each class's standardized clips; classes without clips are absent
    """

    middle: np.ndarray
    spread: np.ndarray
    means: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, truth: np.ndarray) -> "ClassMeans":
        """Of (n, d) features and bool (n, classes); ValueError where no clip has a class."""
        features, truth = np.asarray(features, np.float64), np.asarray(truth, bool)
        present = truth.any(0)
        if not present.any():
            raise ValueError("no clip has a class, so classes have no means")
        middle, spread = features.mean(0), features.std(0)
        spread = np.where(spread > 1e-9 * np.abs(middle).max(initial=1.0), spread, 1.0)
        rows = (features - middle) / spread
        means = np.stack([rows[column].mean(0) for column in truth.T[present]])
        return cls(*(part.astype(np.float32) for part in (middle, spread, means)))

    def distance(self, features: np.ndarray) -> np.ndarray:
        """(n,): 1 less the cosine between each clip and the class mean nearest in angle; in 0..2."""
        rows = (np.asarray(features, np.float64) - self.middle) / self.spread
        means = self.means.astype(np.float64)
        scale = np.linalg.norm(rows, axis=1)[:, None] * np.linalg.norm(means, axis=1)
        cosines = np.divide(rows @ means.T, scale, out=np.zeros(scale.shape), where=scale > 0)
        return 1 - cosines.max(1)


def accepted(clips: int, accept: float) -> int | None:
    """Of so many known clips, how many from the least novel on must be accepted; None where they are too few to tell.

    ceil(accept * (clips + 1)), as in split conformal prediction (Vovk et al., 2005): the next clip like them is then
    accepted with a chance of at least `accept`.
    """
    count = ceil(accept * (clips + 1) - 1e-9)
    return count if count <= clips else None


def clips_to_accept(accept: float) -> int:
    """The fewest known clips from which a share can be accepted: 19 for 0.95."""
    return ceil(accept / (1 - accept) - 1e-9)
