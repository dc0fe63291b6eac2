"""S3D and S3D-G: I3D with space and time apart, and channel gates (Xie et al., ECCV 2018, arXiv:1712.04851).

        clip -> trunk -> mean over 2 x 7 x 7, one step at a time -> linear -> mean over positions -> logits

    every k x k x k of the trunk:  1 x k x k -> norm -> ReLU -> k x 1 x 1 -> norm -> ReLU (-> gate, in S3D-G)

Axes: b clips, c channels, t frames, h rows, w columns. Input: RGB, normalized for its preset.
S3D is as torchvision 0.28 builds it, which pads both sides alike; the paper's, in TensorFlow, pads with SAME.
Nobody released PyTorch weights of the paper's S3D-G: it is built from the text, with a gate after every temporal
convolution. Running statistics move by torch's 0.1 a step, torchvision's by 0.001.
"""

from functools import partial

from torch import nn

from ..nn import SelfGate, named
from ..nn.conv import Triple
from ..nn.inception import InceptionTrunk
from .inception import EPSILON, InceptionVideo


def _unit(c_in: int, c_out: int, kernel: Triple, stride: Triple) -> nn.Sequential:
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    conv = nn.Conv3d(c_in, c_out, kernel, stride, padding, bias=False)
    return named(conv=conv, norm=nn.BatchNorm3d(c_out, eps=EPSILON), act=nn.ReLU(inplace=True))


def _conv(c_in: int, c_out: int, *, kernel: int, stride: int = 1, gated: bool) -> nn.Sequential:
    if kernel == 1:
        return _unit(c_in, c_out, (1, 1, 1), (stride, stride, stride))
    space = _unit(c_in, c_out, (1, kernel, kernel), (1, stride, stride))
    time = _unit(c_out, c_out, (kernel, 1, 1), (stride, 1, 1))
    return named(space=space, time=time, gate=SelfGate(c_out)) if gated else named(space=space, time=time)


def _pool(kernel: Triple, stride: Triple) -> nn.Module:
    return nn.MaxPool3d(kernel, stride, ((kernel[0] - 1) // 2, (kernel[1] - 1) // 2, (kernel[2] - 1) // 2))


def s3d(
    *, num_classes: int, gated: bool = False, width: float = 1.0, pool: Triple = (2, 7, 7), dropout: float = 0.2
) -> InceptionVideo:
    """`gated` makes it S3D-G, `width` multiplies the channels, `pool` is what one position of the head averages."""
    return InceptionVideo(
        num_classes=num_classes,
        trunk=partial(InceptionTrunk, 3, conv=partial(_conv, gated=gated), pool=_pool, width=width),
        channels=3,
        pool=pool,
        dropout=dropout,
        min_frames=4 * (2 * pool[0] - 1) + 1,
        min_side=16 * (2 * max(pool[1:]) - 1) + 1,
    )
