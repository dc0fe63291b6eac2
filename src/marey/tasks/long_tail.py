"""Classes of few clips: how they are counted, and what is done to a trained classifier for them.

After Kang et al., Decoupling Representation and Classifier for Long-Tailed Recognition, ICLR 2020 (arXiv:1910.09217):
the representation is learned from clips as they come, and the classifier alone is balanced afterwards.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..data import Sample
from ..errors import UsageError

SHOTS = (20, 100)  # training clips: few-shot classes have fewer, many-shot ones more, medium-shot ones the rest
TAUS = tuple(np.linspace(0, 2, 21).round(1).tolist())  # that the paper searches


def parse_shots(bounds: str) -> tuple[int, int]:
    """ "20,100" -> (20, 100): the fewest and the most training clips of a medium-shot class."""
    fewest, comma, most = bounds.partition(",")
    if not (comma and fewest.isdecimal() and most.isdecimal() and 1 <= int(fewest) <= int(most) <= 10**9):
        raise UsageError(
            f"--shots is {bounds!r}; write the fewest and the most training clips of medium-shot classes, as in 20,100"
        )
    return int(fewest), int(most)


def class_counts(samples: Sequence[Sample], head: str) -> Counter[str]:
    """How many of the samples have each class."""
    return Counter(label for sample in samples for label in sample.labels.get(head, ()))


def shot_classes(counts: Mapping[str, int], labels: Sequence[str], bounds: tuple[int, int] = SHOTS) -> dict[str, str]:
    """Class -> "many", "medium" or "few" with its bounds, in this order: which it is by its training clips.

    By the paper's bounds a class of more than 100 is many-shot, one of fewer than 20 few-shot.
    """
    fewest, most = bounds
    names = (f"many (over {most})", f"medium ({fewest} to {most})", f"few (under {fewest})")
    number = {label: 0 if (n := counts.get(label, 0)) > most else 1 if n >= fewest else 2 for label in labels}
    return {label: names[number[label]] for label in sorted(labels, key=number.__getitem__)}


def tau_normalized(weights: Sequence[Float[Tensor, "classes _"]], tau: float) -> list[Float[Tensor, "classes _"]]:
    """Every class's weights over the tau-th power of their length: 0 leaves them, 1 makes all lengths 1.

    weights  of the layers whose answers add up: the length is that of a class's weights in all of them together. Those
             of a class without any stay 0
    """
    length = torch.cat(list(weights), dim=1).norm(dim=1, keepdim=True)
    scale = torch.where(length > 0, length, torch.ones_like(length)) ** tau
    return [weight / scale for weight in weights]
