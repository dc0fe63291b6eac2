"""Losses as pure functions of logits and targets: means over the samples, as `fit` needs them to cut batches."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


def one_hot(classes: Int[Tensor, " b"], count: int, *, smoothing: float = 0.0) -> Float[Tensor, "b count"]:
    """Target rows for class numbers, smoothed."""
    return smooth(functional.one_hot(classes, count).float(), smoothing)


def smooth(targets: Float[Tensor, "b classes"], smoothing: float) -> Float[Tensor, "b classes"]:
    """Takes `smoothing` of the certainty away and spreads it over all classes (Szegedy et al., arXiv:1512.00567)."""
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing is {smoothing}; it must be at least 0 and below 1")
    return targets * (1 - smoothing) + smoothing / targets.shape[1]


def soft_cross_entropy(
    logits: Float[Tensor, "b classes"],
    targets: Float[Tensor, "b classes"],
    *,
    class_weights: Float[Tensor, " classes"] | None = None,
    gamma: float = 0.0,
) -> Float[Tensor, ""]:
    """Cross-entropy for rows of class probabilities. `class_weights` scale each class's term.

    gamma  above 0 makes it the focal loss (Lin et al., ICCV 2017, arXiv:1708.02002) in its softmax form: each class's
           term is scaled by (1 - p)^gamma, so that what is told apart already counts little

    Unlike `torch.nn.functional.cross_entropy`, the sum is divided by the samples, not by their weights, so that parts
    of a batch average to the batch.
    """
    logs = logits.float().log_softmax(1)
    terms = targets * logs
    if gamma:
        terms = terms * (1 - logs.exp()).clamp(min=0) ** gamma
    if class_weights is not None:
        terms = terms * class_weights
    return -terms.sum(1).mean()


def binary_cross_entropy(
    logits: Float[Tensor, "b classes"],
    targets: Float[Tensor, "b classes"],
    *,
    class_weights: Float[Tensor, " classes"] | None = None,
    gamma: float = 0.0,
) -> Float[Tensor, ""]:
    """Mean over samples and classes of the yes-or-no cross-entropy, for samples that may have several classes.

    `class_weights` scale what the samples that have the class contribute; the others count once. With `gamma` above 0
    it is the focal loss as Lin et al. wrote it: each term is scaled by (1 - p)^gamma, p the probability of what is
    true. Their alpha is what `class_weights` are here.
    """
    terms = functional.binary_cross_entropy_with_logits(
        logits.float(), targets, pos_weight=class_weights, reduction="none"
    )
    if gamma:
        said = logits.float().sigmoid()
        terms = terms * (targets * (1 - said) + (1 - targets) * said) ** gamma
    return terms.mean()


def class_weights(
    counts: Float[Tensor, " classes"] | Int[Tensor, " classes"], *, beta: float | None = None
) -> Float[Tensor, " classes"]:
    """Weights against imbalance from samples per class, scaled so that the average sample weighs 1.

    Inverse frequency; or, with `beta` (0.9 to 0.9999), the inverse effective number (1 - beta^n) / (1 - beta) of Cui
    et al., CVPR 2019 (arXiv:1901.05555), which is milder. A class without samples weighs 0.
    """
    if beta is not None and not 0 <= beta < 1:
        raise ValueError(f"beta is {beta}; it must be at least 0 and below 1")
    counts = counts.float()
    number = counts if beta is None else (1 - beta**counts) / (1 - beta)
    weights = torch.where(counts > 0, 1 / number.clamp(min=1e-12), 0.0)
    return weights * counts.sum() / (weights * counts).sum().clamp(min=1e-12)


def effective_beta(counts: Float[Tensor, " classes"] | Int[Tensor, " classes"]) -> float:
    """1 - 1 / n for the n samples of the largest class: the beta of `class_weights` that fits data of any size.

    Cui et al. write it 1 - 1 / N, N the distinct samples that a class can have, and search N from 10 to 10,000.
    """
    return 1 - 1 / max(1.0, float(counts.max()))


def log_priors(
    counts: Float[Tensor, " classes"] | Int[Tensor, " classes"], *, tau: float = 1.0
) -> Float[Tensor, " classes"]:
    """tau log(n_j / n): added to the logits in the loss alone, it makes them answer as if all classes were as frequent.

    Logit adjustment of Menon et al., ICLR 2021 (arXiv:2007.07314), equation 10. A class without samples counts as if
    it had one.
    """
    counts = counts.float().clamp(min=1)
    return tau * (counts / counts.sum()).log()
