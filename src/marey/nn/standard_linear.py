"""A linear classifier on standardized numbers, for fixed features of any scale."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class StandardLinear(nn.Module):
    """((x - mean) / std / sqrt(dim)) W + b, with mean and std measured once on the training data; W starts at 0.

    Division by sqrt(dim) makes the same weight decay mean the same for blocks of any size.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))
        self.fc = nn.Linear(dim, num_classes)
        nn.init.zeros_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def measure(self, x: Float[Tensor, "n dim"]) -> None:
        """Take the statistics of x; a number that never varies is left as it is, centred."""
        std = x.std(0, unbiased=False)
        self.mean.copy_(x.mean(0))
        self.std.copy_(torch.where(std > 1e-6, std, torch.ones_like(std)))

    def forward(self, x: Float[Tensor, "n dim"]) -> Float[Tensor, "n k"]:
        return self.fc((x - self.mean) / self.std / x.shape[1] ** 0.5)
