"""Training augmentation of batches of clips: what is drawn is drawn once a clip and holds for all of its frames.

Axes: b clips, t frames, h rows, w columns, c channels of a modality. Clips are uint8 (b, t, h, w, c), as read, before
and after: a mirror image turns motion to the right into motion to the left, and only RGB changes colour. Random numbers
come from a generator on the CPU, or from torch itself, so that a seed settles them wherever the clips are.
"""

from dataclasses import dataclass, replace
from math import log

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Generator, Tensor

from .clip import MOTION, Modality

_PAINTED: tuple[Modality, ...] = ("rgb", "rgb+flow")  # have RGB as their first channels
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma


@dataclass(frozen=True)
class Augmentation:
    """Strengths; the defaults are moderate, and `Augmentation.none()` changes nothing that it need not.

    scale       side of the random crop by the short side of the frames, (least, most)
    flip        probability of a mirror image, where the clip may be flipped
    brightness, contrast, saturation  are multiplied by a factor in 1 - x..1 + x
    speed       clips are played up to this many times faster or slower
    time_shift  how much of the spare frames the clip may be moved over: 0 keeps it in the middle, 1 is all
    """

    scale: tuple[float, float] = (0.7, 1.0)
    flip: float = 0.5
    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.2
    speed: float = 1.25
    time_shift: float = 1.0

    def __post_init__(self) -> None:
        least, most = self.scale
        if not 0 < least <= most <= 1:
            raise ValueError(f"scale is {self.scale}; it must be (least, most) with 0 < least <= most <= 1")
        for name in ("flip", "brightness", "contrast", "saturation", "time_shift"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie in 0..1")
        if self.speed < 1:
            raise ValueError(f"speed is {self.speed}; it must be 1 (never changed) or more")

    @classmethod
    def none(cls) -> "Augmentation":
        return cls(scale=(1.0, 1.0), flip=0, brightness=0, contrast=0, saturation=0, speed=1, time_shift=0)


def augment(
    video: UInt8[Tensor, "b t h w c"],
    strengths: Augmentation,
    *,
    frames: int,
    side_px: int,
    may_flip: Bool[Tensor, "b"] | None = None,
    generator: Generator | None = None,
    modality: Modality = "rgb",
) -> tuple[UInt8[Tensor, "b {frames} {side_px} {side_px} c"], Bool[Tensor, "b"]]:
    """All augmentations in turn: time, crop, flip, colour; and which clips were flipped, for labels such as left/right.

    `frames` are taken of the t frames given, which may be more, so that time has room. Motion keeps its length in
    pixels when a crop is resized, as in the two-stream papers. Sound is moved in time and nothing else.
    """
    s = replace(strengths, scale=(1.0, 1.0), flip=0.0) if modality == "sound" else strengths
    video = resample_time(video, frames, speed=s.speed, shift=s.time_shift, generator=generator)
    video = random_crop(video, side_px, scale=s.scale, generator=generator)
    right = MOTION.get(modality, ())
    video, flipped = random_flip(video, probability=s.flip, may_flip=may_flip, generator=generator, right=right)
    if modality in _PAINTED:
        factors = {"brightness": s.brightness, "contrast": s.contrast, "saturation": s.saturation}
        painted = jitter_colour(video[..., :3], **factors, generator=generator)
        video = painted if video.shape[-1] == 3 else torch.cat([painted, video[..., 3:]], dim=-1)
    return video, flipped


def resample_time(
    video: UInt8[Tensor, "b t h w c"], frames: int, *, speed: float, shift: float, generator: Generator | None = None
) -> UInt8[Tensor, "b {frames} h w c"]:
    """`frames` of the t frames of each clip, in order, at a random speed and from a random place.

    At speed 1 every (t // frames)th frame is taken. A clip is never played so fast that its frames would not suffice;
    played slowly, it repeats frames.
    """
    clips, given = video.shape[:2]
    stride = max(1, given // frames)
    factor = torch.exp(_uniform(clips, -log(speed), log(speed), generator))
    step = (stride * factor).clamp(max=given / frames)
    spare = given - step * frames
    start = spare * (0.5 + shift * _uniform(clips, -0.5, 0.5, generator))
    index = (start[:, None] + step[:, None] * (torch.arange(frames) + 0.5)).long().clamp(0, given - 1)
    return video[torch.arange(clips)[:, None].to(video.device), index.to(video.device)]


def random_crop(
    video: UInt8[Tensor, "b t h w c"],
    side_px: int,
    *,
    scale: tuple[float, float],
    generator: Generator | None = None,
) -> UInt8[Tensor, "b t {side_px} {side_px} c"]:
    """A square of each clip, at a random place and as large as `scale` of its short side, resized to `side_px`."""
    clips, frames, height, width = video.shape[:4]
    sides = (_uniform(clips, *scale, generator) * min(height, width)).round().long().clamp(min=1)
    tops = (_uniform(clips, 0, 1, generator) * (height - sides + 1)).long()
    lefts = (_uniform(clips, 0, 1, generator) * (width - sides + 1)).long()
    out = video.new_empty(clips, frames, side_px, side_px, video.shape[-1])
    for clip, target, side, top, left in zip(video, out, sides.tolist(), tops.tolist(), lefts.tolist(), strict=True):
        target.copy_(_resize(clip[:, top : top + side, left : left + side], side_px))
    return out


def _resize(clip: UInt8[Tensor, "t s s c"], side_px: int) -> UInt8[Tensor, "t {side_px} {side_px} c"]:
    """Bilinear, averaging where it shrinks."""
    if clip.shape[1] == side_px:
        return clip
    images = clip.permute(0, 3, 1, 2)
    exact = images if images.is_cpu else images.float()  # only the CPU resizes bytes
    size = (side_px, side_px)
    smooth = F.interpolate(exact, size, mode="bilinear", antialias=True, align_corners=False)
    return (smooth if images.is_cpu else smooth.round_().to(torch.uint8)).permute(0, 2, 3, 1)


def random_flip(
    video: UInt8[Tensor, "b t h w c"],
    *,
    probability: float,
    may_flip: Bool[Tensor, "b"] | None = None,
    generator: Generator | None = None,
    right: tuple[int, ...] = (),
) -> tuple[UInt8[Tensor, "b t h w c"], Bool[Tensor, "b"]]:
    """Mirrors clips left to right, of those that `may_flip` (all, if None); and which ones it did.

    right  the channels that hold motion to the right, 128 for none, which changes its sign in the mirror
    """
    flipped = torch.rand(len(video), generator=generator) < probability
    if may_flip is not None:
        flipped &= may_flip.cpu()
    flipped = flipped.to(video.device)
    mirrored = video.flip(3)
    for channel in right:
        mirrored[..., channel] = (256 - mirrored[..., channel].int()).clamp_(max=255).to(torch.uint8)
    return torch.where(flipped[:, None, None, None, None], mirrored, video), flipped


def jitter_colour(
    video: UInt8[Tensor, "b t h w 3"],
    *,
    brightness: float,
    contrast: float,
    saturation: float,
    generator: Generator | None = None,
) -> UInt8[Tensor, "b t h w 3"]:
    """Brightness, then contrast about the mean grey of the clip, then saturation: one affine map of RGB a clip."""
    clips = len(video)
    draws = [1 + _uniform(clips, -x, x, generator) for x in (brightness, contrast, saturation)]
    if brightness == contrast == saturation == 0:
        return video
    bright, sharp, vivid = (d.to(video.device)[:, None, None] for d in draws)
    grey = torch.tensor(_GREY, device=video.device)
    mean = (video[:, :, ::4, ::4].float() @ grey).mean(dim=(1, 2, 3))[:, None, None]
    # out = (rgb bright sharp + offset) mixed with its own grey: the mix keeps greys, so the offset passes unchanged
    mix = vivid * torch.eye(3, device=video.device) + (1 - vivid) * grey[:, None].expand(3, 3)
    offset = (1 - sharp) * bright * mean
    pixels = torch.baddbmm(offset, video.reshape(clips, -1, 3).float(), bright * sharp * mix)
    return pixels.round_().clamp_(0, 255).to(torch.uint8).view(video.shape)


def _uniform(count: int, low: float, high: float, generator: Generator | None) -> Float[Tensor, "{count}"]:
    return low + (high - low) * torch.rand(count, generator=generator)
