"""Pictures seen through a flow. Axes: n images, c channels, h rows, w columns."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def warp(following: Float[Tensor, "n c h w"], flow: Float[Tensor, "n 2 h w"]) -> Float[Tensor, "n c h w"]:
    """What is in `following` where `flow` leads from each pixel, x pixels to the right and y down, bilinearly.

    With the flow from a picture to the next one, the next one comes out as the first. Places outside of the picture
    are taken for the nearest on its border.
    """
    h, w = following.shape[2:]
    columns = torch.arange(w, device=flow.device, dtype=flow.dtype) + flow[:, 0]
    rows = torch.arange(h, device=flow.device, dtype=flow.dtype)[:, None] + flow[:, 1]
    # grid_sample counts from the middle of the first pixel, -1, to that of the last, 1
    grid = torch.stack([columns * 2 / max(w - 1, 1) - 1, rows * 2 / max(h - 1, 1) - 1], -1)
    return F.grid_sample(following, grid, padding_mode="border", align_corners=True)
