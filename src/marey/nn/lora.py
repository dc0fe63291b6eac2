"""Low-rank adapters (Hu et al., LoRA, ICLR 2022, arXiv:2106.09685): a large matrix learns by two thin ones beside it.

        y = W x + (alpha / rank) * up (down x)        W (out, in) fixed, down (rank, in) and up (out, rank) learn

`up` starts at zero, so that nothing changes until something is learned; what is learned is added to W in the end.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn

from .transformer import KeylessLinear


class LoRALinear(nn.Module):
    """`linear` (`nn.Linear` or `KeylessLinear`), which learns no more, and a correction of `rank` to its matrix.

    alpha  how strongly the correction counts: `alpha / rank` times
    """

    def __init__(self, linear: nn.Linear | KeylessLinear, *, rank: int = 8, alpha: float = 16.0) -> None:
        super().__init__()
        rows, columns = linear.weight.shape
        if not 1 <= rank <= min(rows, columns):
            raise ValueError(f"rank is {rank}; a matrix of {rows} x {columns} takes from 1 to {min(rows, columns)}")
        self.linear, self.scale = linear.requires_grad_(False), alpha / rank
        self.down = nn.Parameter(linear.weight.new_empty(rank, columns))
        self.up = nn.Parameter(linear.weight.new_zeros(rows, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))  # as a linear layer starts

    @property
    def weight(self) -> Tensor:
        """The whole matrix, for those that read it instead of calling the layer."""
        return self.linear.weight + self.scale * (self.up @ self.down)

    @property
    def bias(self) -> Tensor:
        """That of an `nn.Linear` which has one."""
        assert isinstance(self.linear, nn.Linear)
        return self.linear.bias

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.scale * (x @ self.down.T @ self.up.T)

    @torch.no_grad()
    def merged(self) -> nn.Linear | KeylessLinear:
        """The layer with the correction in its matrix; this module is used up."""
        self.linear.weight.copy_(self.weight)
        return self.linear.requires_grad_(True)


def adapt_linears(module: nn.Module, *, rank: int = 8, alpha: float = 16.0) -> int:
    """Puts adapters beside all linear layers of a module, in place; how many. A thin layer has its full rank."""
    found = [name for name, part in module.named_modules() if type(part) in (nn.Linear, KeylessLinear)]
    for name in found:
        linear = cast(nn.Linear | KeylessLinear, module.get_submodule(name))
        module.set_submodule(name, LoRALinear(linear, rank=min(rank, *linear.weight.shape), alpha=alpha))
    return len(found)


def merge_adapters(module: nn.Module) -> None:
    """Makes plain layers of all adapted ones, in place: the same answers, and the state dict of before."""
    for name in [name for name, part in module.named_modules() if isinstance(part, LoRALinear)]:
        module.set_submodule(name, cast(LoRALinear, module.get_submodule(name)).merged())
