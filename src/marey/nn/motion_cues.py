"""The generator of DMC-Net: from motion vectors and residual to a finer motion (Shou et al., CVPR 2019, 1901.03460).

        x = [vectors 2, residual 3] -> conv -> [., x] -> conv -> [., x] -> ... -> conv -> 2, added to the vectors

Every layer sees the outputs of all layers before it, and the input. Axes: n images, c channels, h rows, w columns.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .conv import named

VECTORS, RESIDUAL = 2, 3  # channels
Widths = tuple[int, ...]
TINY: Widths = (8, 8, 6, 4, 2)
SMALL: Widths = (32, 32, 24, 16, 8)
FULL: Widths = (128, 128, 96, 64, 32)


class MotionCues(nn.Module):
    """`widths` are `TINY` (4,584 parameters; the paper's), `SMALL` (50,460) or `FULL` (719,964), or others.

    What is learned is added to the vectors, so that with zero weights the output is the vectors, bit for bit; fresh
    weights begin near that. With `reduce` the layers see the mean of squares of so many pixels, and what they give
    stands on each of those: vectors are constant over blocks of 4 to 16 pixels anyway. That is ours.
    """

    def __init__(self, *, widths: Widths = TINY, reduce: int = 1) -> None:
        super().__init__()
        self.layers, self.reduce, c_in = nn.Sequential(), reduce, VECTORS + RESIDUAL
        for i, width in enumerate(widths):
            layer = named(conv=nn.Conv2d(c_in, width, 3, padding=1), act=nn.LeakyReLU(0.1))
            self.layers.add_module(f"layer{i}", layer)
            c_in += width
        self.predict = nn.Conv2d(c_in, VECTORS, 3, padding=1)
        nn.init.normal_(self.predict.weight, std=0.01)
        nn.init.zeros_(self.predict.get_parameter("bias"))

    def forward(self, x: Float[Tensor, "n 5 h w"]) -> Float[Tensor, "n 2 h w"]:
        vectors, sides = x[:, :VECTORS], x.shape[2:]
        x = F.avg_pool2d(x, self.reduce, ceil_mode=True) if self.reduce > 1 else x
        for layer in self.layers:
            x = torch.cat([layer(x), x], 1)
        delta = self.predict(x)
        if self.reduce > 1:
            delta = F.interpolate(delta, scale_factor=self.reduce)[:, :, : sides[0], : sides[1]]
        return vectors + delta
