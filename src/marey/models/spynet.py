"""Optical flow by a pyramid of small networks: SPyNet (Ranjan and Black, CVPR 2017, arXiv:1611.00850).

        both pictures, halved and halved again ->   at every level, the coarsest first:
            flow of the level before, twice as large, its vectors twice as long -> u
            [previous, following seen through u, u] -> 5 convolutions of 7 x 7 -> added to u

In the form of DVC (Lu et al., CVPR 2019, arXiv:1812.00101): 4 levels, 960,200 parameters; averages of 2 x 2 make the
pyramid, and pictures are RGB from 0 to 1. The authors' own has up to 6 levels and normalizes the pictures.
Axes: n pairs of pictures, c channels, h rows, w columns.
"""

from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from ..nn import named, warp

WIDTHS = (8, 32, 64, 32, 16, 2)  # two pictures and a flow, ..., a flow


def flow_layers() -> nn.Sequential:
    """What refines the flow at one level."""
    parts: dict[str, nn.Module] = {}
    for i, (c_in, c_out) in enumerate(pairwise(WIDTHS), start=1):
        parts[f"conv{i}"] = nn.Conv2d(c_in, c_out, 7, padding=3)
        if c_out != WIDTHS[-1]:
            parts[f"act{i}"] = nn.ReLU(inplace=True)
    return named(**parts)


class SPyNet(nn.Module):
    """Pictures (n, 3, h, w) from 0 to 1 to flow (n, 2, h, w): pixels to the right and down from one to the other.

    Sides that do not divide by 2 to the power of `levels` are stretched to the next that do, and the flow is brought
    back, as the authors do.
    """

    def __init__(self, *, levels: int = 4) -> None:
        super().__init__()
        self.levels = nn.ModuleList(flow_layers() for _ in range(levels))

    def forward(
        self, previous: Float[Tensor, "n 3 h w"], following: Float[Tensor, "n 3 h w"]
    ) -> Float[Tensor, "n 2 h w"]:
        h, w = previous.shape[2:]
        step = 2 ** len(self.levels)
        sides = (-(-h // step) * step, -(-w // step) * step)
        pair = torch.cat([previous, following])
        if sides != (h, w):
            pair = F.interpolate(pair, sides, mode="bilinear", align_corners=False)
        pyramid = [pair]
        for _ in range(len(self.levels) - 1):
            pyramid.insert(0, F.avg_pool2d(pyramid[0], 2))
        flow = previous.new_zeros(len(previous), 2, *(side // step for side in sides))
        for refine, both in zip(self.levels, pyramid, strict=True):
            first, second = both.chunk(2)
            flow = 2 * F.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=False)
            flow = flow + refine(torch.cat([first, warp(second, flow), flow], 1))
        if sides == (h, w):
            return flow
        scale = flow.new_tensor([w / sides[1], h / sides[0]]).view(1, 2, 1, 1)
        return F.interpolate(flow, (h, w), mode="bilinear", align_corners=False) * scale


def spynet_flow(
    model: SPyNet, previous: UInt8[np.ndarray, "h w 3"], following: UInt8[np.ndarray, "h w 3"]
) -> Float[np.ndarray, "h w 2"]:
    """Pixels to the right and down that every pixel of `previous` moves until `following`; as `video.dense_flow`."""
    device = next(model.parameters()).device
    pictures = torch.from_numpy(np.stack([previous, following])).to(device).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        flow = model(pictures[:1], pictures[1:])
    return flow[0].permute(1, 2, 0).cpu().numpy()
