"""One number that makes confidences honest: temperature scaling (Guo et al., ICML 2017)."""

import numpy as np

LEAST, MOST = 0.01, 100.0  # temperatures that are looked at
_STEPS = 60  # of a bisection, which is exact to the last bits by then


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature in 0.01..100 by which dividing (n, classes) logits makes their likelihood greatest.

    truth  int (n,), the class of each clip, for a softmax; or bool (n, classes) for a sigmoid a class, which share it

    The negative log-likelihood is convex in 1 / temperature, so its one minimum is found by bisecting the derivative.
    We differ from the paper in what a clip counts for: not 1 for its class and 0 elsewhere but (n + 1) / (n + 2) and
    the rest (as Platt, 1999, does for margins). Where all of n clips are right the paper's minimum is a temperature of
    0, which claims certainty from n clips; this one claims (n + 1) / (n + 2). With many clips the two agree.
    Raises ValueError where there are no clips, or logits and truth do not go together.
    """
    logits, truth = np.asarray(logits, np.float64), np.asarray(truth)
    targets = _targets(logits, truth)

    def rises(scale: float) -> bool:
        """Whether the negative log-likelihood grows with the scale, 1 / temperature, there."""
        return bool((logits * (probabilities(logits, 1 / scale, multi_label=truth.ndim == 2) - targets)).sum() > 0)

    low, high = np.log(1 / MOST), np.log(1 / LEAST)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if rises(float(np.exp(middle))) else (middle, high)
    return float(np.clip(np.exp(-(low + high) / 2), LEAST, MOST))


def probabilities(logits: np.ndarray, temperature: float, *, multi_label: bool) -> np.ndarray:
    """(n, classes): softmax of the logits over the temperature, or a sigmoid of each where clips may have several."""
    scaled = np.asarray(logits, np.float64) / temperature
    if multi_label:
        return np.exp(-np.logaddexp(0.0, -scaled))
    scaled = np.exp(scaled - scaled.max(1, keepdims=True))
    return scaled / scaled.sum(1, keepdims=True)


def negative_log_likelihood(scores: np.ndarray, truth: np.ndarray) -> float:
    """Mean over clips of minus the logarithm of what (n, classes) probabilities give the truth; as `fit_temperature`.

    For a sigmoid a class it is summed over the classes. A probability counts as at least 1e-12.
    """
    scores, truth = np.asarray(scores, np.float64), np.asarray(truth)
    given = np.where(truth, scores, 1 - scores) if truth.ndim == 2 else scores[np.arange(len(truth)), truth, None]
    return float(-np.log(np.clip(given, 1e-12, None)).sum(1).mean())


def _targets(logits: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(n, classes): what each probability should be, short of certainty."""
    if logits.ndim != 2 or not len(logits) or logits.shape[1] < (1 if truth.ndim == 2 else 2):
        raise ValueError(
            f"logits are of shape {logits.shape}; they must be (clips, classes), with a clip and two classes"
        )
    if len(truth) != len(logits) or (truth.ndim == 2 and truth.shape != logits.shape):
        raise ValueError(f"truth is of shape {truth.shape} and logits of {logits.shape}; give one row for each clip")
    sure = (len(logits) + 1) / (len(logits) + 2)
    if truth.ndim == 2:
        return np.where(truth, sure, 1 - sure)
    targets = np.full(logits.shape, (1 - sure) / (logits.shape[1] - 1))
    targets[np.arange(len(truth)), truth] = sure
    return targets
