"""TensorFlow's SAME padding: ceil(size / stride) outputs; of an odd total, the extra element is after, not before.

How much is padded depends on the size, so it is found when a tensor comes. Axes: n images or clips, then channels.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


def same_padding(sizes: torch.Size, kernel: tuple[int, ...], stride: tuple[int, ...]) -> list[tuple[int, int]]:
    """(before, after) of every one of these dimensions."""
    totals = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(sizes, kernel, stride, strict=True)]
    return [(total // 2, total - total // 2) for total in totals]


def _spread(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], fill: float) -> tuple[Tensor, tuple[int, ...]]:
    """`x`, and the padding that is left for the layer itself: all of it where both sides get the same."""
    pads = same_padding(x.shape[2:], kernel, stride)
    if all(before == after for before, after in pads):
        return x, tuple(before for before, _ in pads)
    flat = [amount for pair in reversed(pads) for amount in pair]
    return F.pad(x, flat, value=fill), (0,) * len(pads)


class SameConv2d(nn.Conv2d):
    """2D convolution with SAME padding; takes no `padding` and no `dilation`."""

    def forward(self, input: Float[Tensor, "n _ h w"]) -> Float[Tensor, "n _ _ _"]:
        x, padding = _spread(input, self.kernel_size, self.stride, 0.0)
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, groups=self.groups)


class SameConv3d(nn.Conv3d):
    """3D convolution with SAME padding; takes no `padding` and no `dilation`."""

    def forward(self, input: Float[Tensor, "n _ t h w"]) -> Float[Tensor, "n _ _ _ _"]:
        x, padding = _spread(input, self.kernel_size, self.stride, 0.0)
        return F.conv3d(x, self.weight, self.bias, self.stride, padding, groups=self.groups)


class SameMaxPool2d(nn.MaxPool2d):
    """2D maximum with SAME padding, which is never the maximum. `kernel` and `stride` are (rows, columns)."""

    def __init__(self, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
        super().__init__(kernel, stride)
        self.window, self.step = kernel, stride

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c _ _"]:
        x, padding = _spread(input, self.window, self.step, -torch.inf)
        return F.max_pool2d(x, self.window, self.step, padding)


class SameMaxPool3d(nn.MaxPool3d):
    """3D maximum with SAME padding, which is never the maximum. `kernel` and `stride` are (time, rows, columns)."""

    def __init__(self, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__(kernel, stride)
        self.window, self.step = kernel, stride

    def forward(self, input: Float[Tensor, "n c t h w"]) -> Float[Tensor, "n c _ _ _"]:
        x, padding = _spread(input, self.window, self.step, -torch.inf)
        return F.max_pool3d(x, self.window, self.step, padding)
