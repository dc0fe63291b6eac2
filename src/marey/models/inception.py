"""Inception-v1 of images, and the network of clips that it becomes inflated: I3D (Carreira and Zisserman, CVPR 2017).

        clip -> trunk -> mean over 2 x 7 x 7, one step at a time -> linear -> mean over positions -> logits

arXiv:1705.07750, with batch normalization as in TensorFlow's release of the image network; see nn/inception.py.
Axes: b clips, c channels, t frames, h rows, w columns. Input: RGB, or flow (2 channels), in -1..1.
Padding is TensorFlow's SAME and epsilon 1e-3, as the official weights need. A clip of 64 frames of 224 pixels has 7
positions in time and one in space; a larger one has more, and the logits of all are averaged.
The official networks drop out every position by itself, we each channel of the mean.
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from ..nn import SameConv2d, SameConv3d, SameMaxPool2d, SameMaxPool3d, check_clip, named
from ..nn.conv import Triple
from ..nn.inception import InceptionTrunk
from .interface import Clips, ImageEncoder, Images, Logits, VideoModel

EPSILON = 1e-3


def _conv_3d(c_in: int, c_out: int, *, kernel: int, stride: int = 1) -> nn.Sequential:
    conv = SameConv3d(c_in, c_out, kernel, stride, bias=False)
    return named(conv=conv, norm=nn.BatchNorm3d(c_out, eps=EPSILON), act=nn.ReLU(inplace=True))


def _conv_2d(c_in: int, c_out: int, *, kernel: int, stride: int = 1, same: bool) -> nn.Sequential:
    plain = partial(nn.Conv2d, padding=kernel // 2)
    conv = (SameConv2d if same else plain)(c_in, c_out, kernel, stride, bias=False)
    return named(conv=conv, norm=nn.BatchNorm2d(c_out, eps=EPSILON), act=nn.ReLU(inplace=True))


def _same_pool_2d(kernel: Triple, stride: Triple) -> nn.Module:
    return SameMaxPool2d(kernel[1:], stride[1:])


def _pool_2d(kernel: Triple, stride: Triple) -> nn.Module:
    """Not padded where it strides, but reaching over the end."""
    padding = kernel[1] // 2 if stride[1] == 1 else 0
    return nn.MaxPool2d(kernel[1:], stride[1:], padding, ceil_mode=True)


def start(model: nn.Module) -> None:
    """Fresh weights: He et al., ICCV 2015, for convolutions; small ones for the classifier."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)


class InceptionV1(ImageEncoder):
    """The image network's trunk. `same` pads as TensorFlow does, otherwise as torchvision's GoogLeNet does.

    The two take the same weights, and differ by where the stem and the strided poolings look. `channels` is 3 of RGB,
    or those of stacked flow.
    """

    def __init__(self, *, channels: int = 3, same: bool = False, width: float = 1.0) -> None:
        super().__init__()
        pool = _same_pool_2d if same else _pool_2d
        self.trunk = InceptionTrunk(channels, conv=partial(_conv_2d, same=same), pool=pool, width=width)
        self.dim, self.min_side = self.trunk.dim, 1 if same else 15
        start(self)

    def forward(self, images: Images) -> dict[str, Tensor]:
        """stem, stage2, ..., stage5."""
        return self.trunk(images)


class InceptionVideo(VideoModel):
    """A trunk of clips, and its classifier: `pool` is the (time, rows, columns) that one position averages.

    `channels`, `min_frames` and `min_side` are what the trunk takes and the pooling needs of a clip.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        trunk: Callable[[], InceptionTrunk],
        channels: int,
        pool: Triple,
        dropout: float,
        min_frames: int,
        min_side: int,
    ) -> None:
        super().__init__()
        self.trunk, self.channels = trunk(), channels
        self.pool, self.drop = nn.AvgPool3d(pool, (1, 1, 1)), nn.Dropout(dropout)
        self.fc = nn.Linear(self.trunk.dim, num_classes)
        self.min_frames, self.min_side = min_frames, min_side
        start(self)

    def features(self, video: Clips) -> dict[str, Tensor]:
        """stem, stage2, ..., stage5."""
        check_clip(video, channels=self.channels, min_frames=self.min_frames, min_side=self.min_side)
        return self.trunk(video)

    def encode(self, video: Clips) -> Tensor:
        return self.pool(self.features(video)["stage5"]).mean((2, 3, 4))

    def classify(self, encoded: Tensor) -> Logits:
        return self.fc(self.drop(encoded))

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))


def inception_i3d(
    *, num_classes: int, channels: int = 3, width: float = 1.0, pool: Triple = (2, 7, 7), dropout: float = 0.5
) -> InceptionVideo:
    """Inflated Inception-v1; `channels` is 3 for RGB, 2 for flow, and `width` multiplies those of the trunk."""
    return InceptionVideo(
        num_classes=num_classes,
        trunk=partial(InceptionTrunk, channels, conv=_conv_3d, pool=SameMaxPool3d, width=width),
        channels=channels,
        pool=pool,
        dropout=dropout,
        min_frames=8 * (pool[0] - 1) + 1,
        min_side=32 * (max(pool[1:]) - 1) + 1,
    )
