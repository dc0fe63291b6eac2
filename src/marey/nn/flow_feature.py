"""Optical flow guided feature, OFF: the gradients of feature maps in space and in time (Sun et al., CVPR 2018).

        maps f -> 1 x 1, 32 channels        -> fixed 3 x 3 gradient over space, of the earlier frame   beside one
               -> 1 x 1, 128 channels, ReLU -> f(t + 1) - f(t)                                         another: 160

arXiv:1711.11152. Flow v satisfies grad_x f v_x + grad_y f v_y + grad_t f = 0: what the three hold is orthogonal to it.
Sizes and kernels are those of the official network. The branch of classifiers has a group for each size of maps:

        flow features of the largest maps    -> 7 x 7, 64, stride  -> bottleneck, 256  -> mean -> linear -+
        that, and features of the next maps  -> 5 x 5, 128, stride -> bottleneck, 512  -> mean -> linear -+-> sum
        that, and features of the smallest   -> 3 x 3, 256         -> bottleneck, 1024 -> mean -> linear -+

The official training has a loss at each linear layer; ours is one, on the sum.
Axes: b clips, c channels, t frames, h rows, w columns, n images, k classes.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .conv import conv2d
from .residual import bottleneck_2d
from .shapes import fold_time, unfold_time

KERNELS: dict[str, list[list[list[float]]]] = {
    "official": [[[0, 1, 0], [-1, 0, 1], [0, -1, 0]]],
    "sobel": [[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]],
}
ENTRY = (7, 5, 3)  # kernels of the last three groups' first convolutions


class SpaceGradient(nn.Module):
    """Fixed depth-wise 3 x 3 kernels; what lies outside counts as 0.

    "official": what the released network has, [[0, 1, 0], [-1, 0, 1], [0, -1, 0]], one map a channel. It is the
    difference to the right plus the difference upwards, so that on the ramp a x + b y (y down) it gives 2 a - 2 b.
    "sobel": what the paper says, the Sobel operators to the right and down, two maps a channel: 8 a and 8 b.
    """

    kernels: Tensor

    def __init__(self, gradient: str = "official") -> None:
        super().__init__()
        if gradient not in KERNELS:
            raise ValueError(f"gradient is {gradient!r}; there are {' and '.join(KERNELS)}")
        self.register_buffer("kernels", torch.tensor(KERNELS[gradient]).unsqueeze(1), persistent=False)
        self.maps = len(KERNELS[gradient])

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n _ h w"]:
        width = x.shape[1]
        return F.conv2d(x, self.kernels.repeat(width, 1, 1, 1).to(x.dtype), padding=1, groups=width)


class FlowFeature(nn.Module):
    """Gradients of the maps of a clip, `width` channels for each pair of neighbouring frames."""

    def __init__(self, c_in: int, *, spatial: int = 32, temporal: int = 128, gradient: str = "official") -> None:
        super().__init__()
        self.to_space, self.to_time = nn.Conv2d(c_in, spatial, 1), nn.Conv2d(c_in, temporal, 1)
        self.gradient = SpaceGradient(gradient)
        self.width = spatial * self.gradient.maps + temporal

    def forward(self, maps: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b _ u h w"]:
        """u = t - 1 pairs; of each the gradients in space, of its earlier frame, then that in time."""
        t = maps.shape[2]
        space = unfold_time(self.gradient(self.to_space(fold_time(maps[:, :, :-1]))), t - 1)
        time = unfold_time(self.to_time(fold_time(maps)).relu(), t)
        return torch.cat([space, time[:, :, 1:] - time[:, :, :-1]], 1)


class FlowFeatureGroup(nn.Module):
    """The flow features of maps of one size, with what the group before made of its own, `below` channels."""

    def __init__(
        self,
        channels: Sequence[int],
        *,
        below: int,
        width: int,
        kernel: int,
        stride: int,
        blocks: int,
        spatial: int,
        temporal: int,
        gradient: str,
    ) -> None:
        super().__init__()
        units = [FlowFeature(c, spatial=spatial, temporal=temporal, gradient=gradient) for c in channels]
        c_in, self.dim = below + sum(unit.width for unit in units), 4 * width
        self.units = nn.ModuleList(units)
        self.entry = conv2d(c_in, width, kernel=kernel, stride=stride)
        self.blocks = nn.Sequential(*(bottleneck_2d(4 * width if i else width, width) for i in range(blocks)))

    def forward(self, maps: Sequence[Tensor], below: Tensor | None) -> Float[Tensor, "b d u _ _"]:
        features = [unit(x) for unit, x in zip(self.units, maps, strict=True)]
        if below is not None:
            size = features[0].shape[2:]
            features.append(below if below.shape[2:] == size else F.adaptive_avg_pool3d(below, size))
        pairs = torch.cat(features, 1)
        return unfold_time(self.blocks(self.entry(fold_time(pairs))), pairs.shape[2])


class FlowFeatureBranch(nn.Module):
    """From maps of several depths to logits that their flow features speak for.

    groups     the channels of the maps of each size, largest maps first
    strides    of each group's first convolution: how many times smaller the next group's maps are; 1 for the last
    width      channels of the first group's convolution; each next group has twice as many
    blocks     bottlenecks of each group (the official network has such; how many is our choice)
    zero_init  the linear layers begin at zero, and so do the logits
    """

    def __init__(
        self,
        *,
        num_classes: int,
        groups: Sequence[Sequence[int]],
        strides: Sequence[int],
        spatial: int = 32,
        temporal: int = 128,
        gradient: str = "official",
        width: int = 64,
        blocks: int = 1,
        zero_init: bool = True,
    ) -> None:
        super().__init__()
        made, below = list[FlowFeatureGroup](), 0
        for i, (channels, stride) in enumerate(zip(groups, strides, strict=True)):
            group = FlowFeatureGroup(
                channels,
                below=below,
                width=width * 2**i,
                kernel=ENTRY[max(i - len(groups), -len(ENTRY))],
                stride=stride,
                blocks=blocks,
                spatial=spatial,
                temporal=temporal,
                gradient=gradient,
            )
            made.append(group)
            below = group.dim
        self.groups = nn.ModuleList(made)
        self.sizes = [group.dim for group in made]
        self.dim = sum(self.sizes)
        # Without biases, as the network beside the branch has its own: no features, no logits.
        self.fcs = nn.ModuleList(nn.Linear(size, num_classes, bias=False) for size in self.sizes)
        if zero_init:
            for p in self.fcs.parameters():
                nn.init.zeros_(p)

    def restart(self) -> None:
        """Fresh linear layers that are not zero."""
        for fc in self.fcs:
            assert isinstance(fc, nn.Linear)
            fc.reset_parameters()

    def encode(self, groups: Sequence[Sequence[Float[Tensor, "b _ _ _ _"]]]) -> Float[Tensor, "b d"]:
        """The means of each group's last maps, side by side; the maps (b, c, t, h, w) have 2 frames or more."""
        means, below = [], None
        for group, maps in zip(self.groups, groups, strict=True):
            below = group(maps, below)
            means.append(below.mean((2, 3, 4)))
        return torch.cat(means, 1)

    def classify(self, encoded: Float[Tensor, "b d"]) -> Float[Tensor, "b k"]:
        """The sum of the groups' logits."""
        parts = encoded.split(self.sizes, 1)
        return torch.stack([fc(x) for fc, x in zip(self.fcs, parts, strict=True)]).sum(0)
