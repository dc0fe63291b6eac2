"""Dual path block (Chen et al., NIPS 2017, arXiv:1707.01629): one part of its answer is added, another put beside.

        x = [residual | dense] -> 1 x 1 -> 3 x 3 in groups -> 1 x 1 -> [a | b]: [residual + a | dense, b]

Pre-activation. Axes: n images, c channels, h rows, w columns.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .conv import named
from .preact import preact


class DualPath(nn.Module):
    """`residual` channels are added to, and the others grow by `grow`; out: `c_out` channels.

    The first block of a stage projects its whole input onto the residual path and 2 `grow` channels of the dense one.
    """

    def __init__(
        self,
        c_in: int,
        *,
        inner: int,
        residual: int,
        grow: int,
        groups: int,
        stride: int = 1,
        project: bool = False,
        eps: float = 1e-3,
    ) -> None:
        super().__init__()
        self.residual, step = residual, (stride, stride)
        self.body = named(
            conv1=preact(c_in, inner, kernel=(1, 1), eps=eps),
            conv2=preact(inner, inner, kernel=(3, 3), stride=step, groups=groups, eps=eps),
            conv3=preact(inner, residual + grow, kernel=(1, 1), eps=eps),
        )
        width = residual + 2 * grow
        self.shortcut = preact(c_in, width, kernel=(1, 1), stride=step, eps=eps) if project else nn.Identity()
        self.c_out = (width if project else c_in) + grow

    def forward(self, x: Float[Tensor, "n _ h w"]) -> Float[Tensor, "n _ _ _"]:
        learned, old = self.body(x), self.shortcut(x)
        r = self.residual
        return torch.cat([old[:, :r] + learned[:, :r], old[:, r:], learned[:, r:]], dim=1)
