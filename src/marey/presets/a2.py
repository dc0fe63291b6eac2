"""Double attention networks (A2-Nets) of images and of clips.

There is no official code. As in the paper two blocks stand in the second stage and three in the third, with a quarter
of their width for features and descriptors; they follow the blocks that GloRe's, of the same authors, follow. The 3D
backbone, too, is the one that these authors released with GloRe; the paper's 40.8 GFLOPs are of another.
"""

from functools import partial

from ..models import FrameModel, LiteResNet3D, ResNet
from ..nn import DoubleAttention, MeanHead
from .inputs import LITE_3D, STAGE, TORCHVISION_IMAGE
from .preset import Mini, Preset

CHEN_A2 = "Chen et al., NeurIPS 2018, arXiv:1810.11579"
RES34 = ((2, 1), (2, 3), (3, 1), (3, 3), (3, 5))

frame_mean = partial(FrameModel, head=MeanHead)
deep = partial(ResNet, bottleneck=True)
unit_2d = partial(DoubleAttention, dims=2)
# A fresh unit has a gain of zero, and nothing before it would learn in its first step: the miniatures' have one.
live_2d, live_3d = partial(unit_2d, zero_init=False), partial(DoubleAttention, zero_init=False)
MINI_2D = Mini(
    partial(frame_mean, encoder=partial(deep, widths=(4, 6), depths=(1, 1), unit=live_2d, unit_at=((1, 1), (2, 1)))),
    frames=2,
    side_px=16,
)
MINI_3D = Mini(
    partial(
        LiteResNet3D,
        widths=(2, 2, 3, 3),
        depths=(1, 1, 1, 2),
        stem_width=4,
        unit=live_3d,
        unit_at=((2, 1), (3, 1)),
    ),
    frames=8,
    side_px=32,
)

A2 = (
    Preset(
        name="a2_r50",
        family="A2-Net",
        paper=CHEN_A2,
        build=partial(frame_mean, encoder=partial(deep, depths=(3, 4, 6, 3), unit=unit_2d, unit_at=RES34)),
        classes=1000,
        clip=TORCHVISION_IMAGE,
        mini=MINI_2D,
    ),
    Preset(
        name="a2_r50_3d",
        family="A2-Net",
        paper=CHEN_A2,
        build=partial(LiteResNet3D, unit=DoubleAttention, unit_at=RES34),
        classes=400,
        clip=LITE_3D,
        mini=MINI_3D,
    ),
    Preset(
        name="a2_stage",
        family="A2-Net",
        paper=CHEN_A2,
        build=partial(
            LiteResNet3D,
            widths=(24, 40, 64, 96),
            depths=(1, 1, 1, 1),
            stem_width=16,
            frames=16,
            unit=DoubleAttention,
            unit_at=((2, 1), (3, 1)),
            dropout=0.0,
        ),
        classes=24,
        clip=STAGE,
        mini=MINI_3D,
    ),
)
