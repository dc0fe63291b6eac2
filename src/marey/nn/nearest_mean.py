"""A classifier that compares with the mean of every class, for classes of few clips: nothing in it is learned by steps.

Nearest class mean of Kang et al., ICLR 2020 (arXiv:1910.09217), with the features centred and of length 1, the form
that did best there ("cl2n"). Our class means are of length 1, too: the nearest mean is then the one of greatest cosine,
and the classifier is linear behind the normalization.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class NearestMean(nn.Module):
    """scale * cosine between (x - centre) and the mean of each class, the row of `weight`."""

    centre: Tensor
    scale: Tensor

    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(()))
        self.weight = nn.Parameter(torch.zeros(num_classes, dim))

    def measure(self, x: Float[Tensor, "n t dim"], targets: Float[Tensor, "n classes"]) -> None:
        """Take the centre of n training clips of t tokens each, and the means of their classes; all need a clip."""
        if not bool(targets.any(0).all()):
            raise ValueError("a class has no clips, and so no mean")
        self.centre.copy_(x.mean((0, 1)))
        means = (targets / targets.sum(0)).T @ self._unit(x).mean(1)
        with torch.no_grad():
            self.weight.copy_(functional.normalize(means, dim=-1))

    def forward(self, x: Float[Tensor, "*n dim"]) -> Float[Tensor, "*n k"]:
        return self.scale * functional.linear(self._unit(x), self.weight)

    def _unit(self, x: Float[Tensor, "*n dim"]) -> Float[Tensor, "*n dim"]:
        return functional.normalize(x - self.centre, dim=-1)
