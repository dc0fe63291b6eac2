"""Mixup and CutMix on clips: two clips in one, with targets to match.

Axes: b clips, c channels, t frames, h rows, w columns, k classes.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor


def mix_clips(
    video: Float[Tensor, "b c t h w"],
    targets: Float[Tensor, "b k"],
    *,
    mixup: float = 0.0,
    cutmix: float = 0.0,
    generator: Generator | None = None,
) -> tuple[Float[Tensor, "b c t h w"], Float[Tensor, "b k"]]:
    """Mixes every clip with another of the batch, which is drawn at random.

    `mixup` is the alpha of Zhang et al., ICLR 2018 (arXiv:1710.09412), `cutmix` that of Yun et al., ICCV 2019
    (arXiv:1905.04899); 0 turns one off, and where both are on a fair coin decides for each batch. Every clip has its
    own share, drawn from Beta(alpha, alpha), where the papers draw one a batch. Random numbers come from `generator`,
    on the CPU, or torch's global one.
    """
    for name, alpha in (("mixup", mixup), ("cutmix", cutmix)):
        if not 0 <= alpha < float("inf"):
            raise ValueError(f"{name} is {alpha}; it must be 0 (off) or a positive number")
    if not (mixup or cutmix) or len(video) < 2:
        return video, targets
    rng = np.random.default_rng(int(torch.randint(2**63 - 1, (1,), generator=generator)))
    cut = bool(cutmix) and (not mixup or rng.random() < 0.5)
    partner = _partners(len(video), rng)
    alpha = cutmix if cut else mixup
    share = torch.from_numpy(rng.beta(alpha, alpha, len(video))).float()
    if cut:
        box = cut_boxes(
            share, (video.shape[-2], video.shape[-1]), torch.from_numpy(rng.random((len(video), 2))).float()
        )
        share = 1 - box.float().mean((1, 2))
        mixed = torch.where(box.to(video.device)[:, None, None], video[partner], video)
    else:
        kept = share.to(video.device, video.dtype)[:, None, None, None, None]
        mixed = video * kept + video[partner] * (1 - kept)
    kept = share.to(targets.device, targets.dtype)[:, None]
    return mixed, targets * kept + targets[partner] * (1 - kept)


def cut_boxes(
    share: Float[Tensor, " b"], size: tuple[int, int], centre: Float[Tensor, "b 2"]
) -> Bool[Tensor, "b height width"]:
    """Masks of boxes of (1 - share) of a frame of `size` (height, width), in its proportions.

    `centre` is (y, x) in 0..1; what reaches over the edge is cut off, so a box can come out smaller.
    """
    half = (1 - share).sqrt()[:, None, None] / 2
    y, x = ((torch.arange(n) + 0.5) / n for n in size)
    inside_y = (y[None, :, None] - centre[:, 0, None, None]).abs() < half
    inside_x = (x[None, None, :] - centre[:, 1, None, None]).abs() < half
    return inside_y & inside_x


def _partners(count: int, rng: np.random.Generator) -> Tensor:
    """For each clip another one, every one taken once."""
    order = rng.permutation(count)
    partner = np.empty_like(order)
    partner[order] = np.roll(order, 1)
    return torch.from_numpy(partner)
