"""Modules of images made into modules of clips: the same weights, one more axis.

Axes: b clips, c channels, t frames, h rows, w columns. Time is never strided: t frames in, t frames out, or 1 where a
network pools globally.
"""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..nn import SameConv2d, SameMaxPool2d, check_clip, fold_time, unfold_time
from ..nn.same import same_padding
from .frames import FrameModel, as_clip
from .interface import Clips, Logits, VideoModel

MODES = ("repeat", "center")
PADDINGS = ("replicate", "zeros")

# Classes whose counterpart of clips differs in nothing but its sizes: what is put before each of them for time.
LIFTS: Mapping[type[nn.Module], tuple[type[nn.Module], dict[str, int]]] = {
    nn.BatchNorm2d: (nn.BatchNorm3d, {}),
    nn.InstanceNorm2d: (nn.InstanceNorm3d, {}),
    nn.Dropout2d: (nn.Dropout3d, {}),
    nn.MaxPool2d: (nn.MaxPool3d, {"kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1}),
    nn.AvgPool2d: (nn.AvgPool3d, {"kernel_size": 1, "stride": 1, "padding": 0}),
    nn.AdaptiveAvgPool2d: (nn.AdaptiveAvgPool3d, {"output_size": 1}),
    nn.AdaptiveMaxPool2d: (nn.AdaptiveMaxPool3d, {"output_size": 1}),
    nn.ConvTranspose2d: (
        nn.ConvTranspose3d,
        {"kernel_size": 1, "stride": 1, "padding": 0, "output_padding": 0, "dilation": 1},
    ),
}
# Without weights: each frame by itself.
EACH_FRAME = (
    nn.Upsample,
    nn.UpsamplingNearest2d,
    nn.UpsamplingBilinear2d,
    nn.ZeroPad2d,
    nn.ConstantPad2d,
    nn.ReflectionPad2d,
    nn.ReplicationPad2d,
    nn.CircularPad2d,
    nn.PixelShuffle,
    nn.PixelUnshuffle,
    nn.ChannelShuffle,
    nn.Softmax2d,
    nn.LPPool2d,
    nn.LocalResponseNorm,
    SameMaxPool2d,
)


class InflatedConv(nn.Conv3d):
    """A 2D convolution over `frames` frames (Carreira and Zisserman, CVPR 2017, arXiv:1705.07750).

    mode     "repeat" has every frame's kernel be the 2D one, divided by `frames`; "center" has all of it in the middle
             (of an even number, before the middle)
    padding  what stands before the first frame and after the last: "replicate" themselves, "zeros" nothing

    Space is padded as it was.
    """

    def __init__(self, conv: nn.Conv2d, *, frames: int, mode: str, padding: str) -> None:
        super().__init__(
            conv.in_channels,
            conv.out_channels,
            _triple(frames, conv.kernel_size),
            _triple(1, conv.stride),
            dilation=_triple(1, conv.dilation),
            groups=conv.groups,
            bias=conv.bias is not None,
            padding_mode=conv.padding_mode,
            device="meta",
        )
        self.time_padding, self.same = padding, isinstance(conv, SameConv2d)
        self.space_padding = _space_padding(conv)
        kernel = conv.weight.detach().unsqueeze(2)
        spread = kernel.new_zeros(self.weight.shape)
        if mode == "repeat":
            spread += kernel / frames
        else:
            spread[:, :, (frames - 1) // 2] = kernel[:, :, 0]
        self.weight = nn.Parameter(spread, requires_grad=conv.weight.requires_grad)
        self.bias = conv.bias
        self.training = conv.training

    def forward(self, input: Float[Tensor, "b _ t h w"]) -> Float[Tensor, "b _ t _ _"]:
        kernel, stride = self.kernel_size, self.stride
        time = ((kernel[0] - 1) // 2, kernel[0] // 2)
        rows, columns = self.space_padding
        if self.same:
            rows, columns = same_padding(input.shape[3:], kernel[1:], stride[1:])
        if self.time_padding == "replicate" and kernel[0] > 1:
            input, time = F.pad(input, (0, 0, 0, 0, *time), "replicate"), (0, 0)
        if self.padding_mode != "zeros":
            input, rows, columns = F.pad(input, (*columns, *rows, 0, 0), self.padding_mode), (0, 0), (0, 0)
        pads = (time, rows, columns)
        if any(before != after for before, after in pads):
            input, pads = F.pad(input, (*columns, *rows, *time)), ((0, 0),) * 3
        before = [pair[0] for pair in pads]
        return F.conv3d(input, self.weight, self.bias, stride, before, self.dilation, self.groups)


def _triple(time: int, space: tuple[int, ...]) -> tuple[int, int, int]:
    return time, space[0], space[1]


def _space_padding(conv: nn.Conv2d) -> tuple[tuple[int, int], tuple[int, int]]:
    """(before, after) of rows and of columns."""
    if conv.padding == "same":
        totals = [d * (k - 1) for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
        (top, left) = (total // 2 for total in totals)
        return (top, totals[0] - top), (left, totals[1] - left)
    rows, columns = (0, 0) if isinstance(conv.padding, str) else conv.padding
    return (rows, rows), (columns, columns)


class EachFrame(nn.Module):
    """A module of images on every frame."""

    def __init__(self, of_images: nn.Module) -> None:
        super().__init__()
        self.of_images, self.training = of_images, of_images.training

    def forward(self, x: Float[Tensor, "b _ t h w"]) -> Float[Tensor, "b _ t _ _"]:
        return unfold_time(self.of_images(fold_time(x)), x.shape[2])


class FlattenFrames(nn.Module):
    """The mean over frames, flattened as the network of images flattens its maps: what follows has as many inputs."""

    def __init__(self, flatten: nn.Flatten) -> None:
        super().__init__()
        self.start_dim, self.end_dim, self.training = flatten.start_dim, flatten.end_dim, flatten.training

    def forward(self, x: Tensor) -> Tensor:
        return (x.mean(2) if x.ndim == 5 else x).flatten(self.start_dim, self.end_dim)


def lifted(module: nn.Module) -> nn.Module:
    """A module of `LIFTS` in place: its parameters, statistics and mode stay, only its class and sizes change."""
    kind, leads = LIFTS[type(module)]
    for name, lead in leads.items():
        setattr(module, name, _with_lead(lead, getattr(module, name)))
    if isinstance(module, nn.ConvTranspose2d):
        module.weight = nn.Parameter(module.weight.detach().unsqueeze(2), requires_grad=module.weight.requires_grad)
    module.__class__ = kind  # pyright: ignore[reportAttributeAccessIssue]
    return module


def _with_lead(lead: int, size: Any) -> tuple[int | None, ...]:
    return (lead, *size) if isinstance(size, tuple | list) else (lead, size, size)


class ClipModel(VideoModel):
    """Encoder and head of a `FrameModel`, once inflated: the encoder sees clips, the head a token a frame.

    video (b, 3, t, h, w) -> encoder -> mean over space -> tokens (b, t, d) -> head -> logits
    """

    def __init__(self, *, of_frames: FrameModel) -> None:
        super().__init__()
        self.encoder, self.head, self.training = of_frames.encoder, of_frames.head, of_frames.training
        self.min_frames, self.min_side, self.frozen = of_frames.min_frames, of_frames.min_side, of_frames.frozen

    def train(self, mode: bool = True) -> "ClipModel":
        """A frozen encoder stays in evaluation mode, as in `FrameModel`."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def features(self, video: Clips) -> dict[str, Tensor]:
        """The encoder's maps (b, c, t, h, w)."""
        video = as_clip(video)
        check_clip(video, min_frames=self.min_frames, min_side=self.min_side)
        return self.encoder(video)

    def encode(self, video: Clips) -> Tensor:
        """Tokens (b, t, d)."""
        return list(self.features(video).values())[-1].mean((3, 4)).transpose(1, 2)

    def measure(self, encoded: Tensor) -> None:
        self.head.measure(encoded)

    def classify(self, encoded: Tensor) -> Logits:
        return self.head(encoded)

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))
