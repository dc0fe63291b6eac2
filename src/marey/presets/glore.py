"""GloRe: global reasoning units on networks of images, of clips and of pixels, and the plain networks under them.

In the ResNets units stand where the released 3D networks have them: after blocks 1 and 3 of the second stage and 1, 3
and 5 of the third; in 101 layers, 6, 12 and 18. For 200 layers and the dual path networks the paper does not say.
The released ImageNet networks are pre-activation ones; these are the presets of the plain networks, plus units.
"""

from collections.abc import Callable
from functools import partial

from ..models import DPN, FCN, FrameModel, ImageEncoder, LiteResNet3D, ResNet
from ..nn import GloRe, MeanHead
from .inputs import CITYSCAPES, LITE_3D, STAGE, TORCHVISION_IMAGE
from .preset import Build, Mini, Preset, Score

CHEN = "Chen et al., CVPR 2019, arXiv:1811.12814"
HE = "He et al., CVPR 2016, arXiv:1512.03385"
HU = "Hu et al., CVPR 2018, arXiv:1709.01507"
XIE = "Xie et al., CVPR 2017, arXiv:1611.05431"
CHEN_DPN = "Chen et al., NIPS 2017, arXiv:1707.01629"
RELEASE = "the official repository"

RES4, RES34 = ((3, 1), (3, 3), (3, 5)), ((2, 1), (2, 3), (3, 1), (3, 3), (3, 5))
RES34_101 = ((2, 1), (2, 3), (3, 6), (3, 12), (3, 18))
RES4_200, RES34_200 = ((3, 9), (3, 18), (3, 27)), ((2, 8), (2, 16), (3, 9), (3, 18), (3, 27))

frame_mean = partial(FrameModel, head=MeanHead)
unit_2d = partial(GloRe, dims=2)
deep = partial(ResNet, bottleneck=True)
resnet50, resnet101 = partial(deep, depths=(3, 4, 6, 3)), partial(deep, depths=(3, 4, 23, 3))
resnet200 = partial(deep, depths=(3, 24, 36, 3))
se_resnet50 = partial(resnet50, squeeze=16)
resnext101 = partial(resnet101, groups=32, group_width=4)
dpn131 = partial(DPN, stem_width=128, depths=(4, 8, 28, 3))
glore_r50_3d = partial(LiteResNet3D, unit=GloRe, unit_at=RES34)
glore_r101_3d = partial(LiteResNet3D, depths=(3, 4, 23, 3), unit=GloRe, unit_at=RES34_101)
lite_stage = partial(LiteResNet3D, widths=(24, 40, 64, 96), depths=(1, 1, 1, 1), stem_width=16, frames=16, dropout=0.0)
dilated = partial(deep, dilations=(1, 1, 2, (4, 8, 16)))


def dual_path_unit(width: int) -> GloRe:
    """As large as in a ResNet of the same stage, whatever the width of the dense path beside the residual one."""
    residual = 2 ** (width.bit_length() - 1)
    return unit_2d(width, nodes=residual // 4, state=residual // 2)


# A fresh unit has a gain of zero, and nothing before it would learn in its first step: the miniatures' have one.
live_2d, live_3d = partial(unit_2d, zero_init=False), partial(GloRe, zero_init=False)
small = partial(deep, widths=(4, 6), depths=(1, 1))
small_live = partial(small, unit=live_2d, unit_at=((1, 1), (2, 1)))
small_dpn = partial(DPN, stem_width=4, residual=8, inner=4, groups=2, depths=(1, 2), grow=(2, 2))
small_lite = partial(LiteResNet3D, widths=(2, 2, 3, 3), depths=(1, 1, 1, 2), stem_width=4)
MINI_3D = Mini(partial(small_lite, unit=live_3d, unit_at=((2, 1), (3, 1))), frames=8, side_px=32)
MINI_FCN = Mini(
    partial(
        FCN, encoder=partial(deep, widths=(4, 4, 6), depths=(1, 1, 2), dilations=(1, 1, (2, 4))), unit=live_2d, inner=8
    ),
    frames=1,
    side_px=32,
)


def image(
    name: str,
    family: str,
    paper: str,
    encoder: Callable[[], ImageEncoder],
    tiny: Callable[[], ImageEncoder],
    *top1: float,
) -> Preset:
    """A row for a network of images, `tiny` its miniature, with the release's top-1 where it has one."""
    return Preset(
        name=name,
        family=family,
        paper=paper,
        build=partial(frame_mean, encoder=encoder),
        classes=1000,
        clip=TORCHVISION_IMAGE,
        mini=Mini(partial(frame_mean, encoder=tiny), frames=2, side_px=16),
        scores=tuple(Score("ImageNet", "top-1", value, "pre-activation network", RELEASE) for value in top1),
    )


def kinetics(name: str, build: Build, top1: float) -> Preset:
    """A row for a released network of clips."""
    return Preset(
        name=name,
        family="GloRe",
        paper=CHEN,
        build=build,
        classes=400,
        clip=LITE_3D,
        mini=MINI_3D,
        scores=(Score("Kinetics-400", "top-1", top1, "one clip of 8 frames, every 8th", RELEASE),),
    )


def pixels(name: str, encoder: Callable[[], ImageEncoder], iou: float) -> Preset:
    """A row for a network of pixels."""
    return Preset(
        name=name,
        family="GloRe FCN",
        paper=CHEN,
        build=partial(FCN, encoder=encoder, unit=partial(unit_2d, normalize=True)),
        classes=19,
        clip=CITYSCAPES,
        mini=MINI_FCN,
        dense=True,
        scores=(Score("Cityscapes", "IoU of classes", iou, "test set, without the coarse labels", RELEASE),),
    )


GLORE = (
    image("resnet200", "ResNet", HE, resnet200, small),
    image("se_resnet50", "SE-ResNet", HU, se_resnet50, partial(small, squeeze=4), 77.2),
    image("resnext101_32x4d", "ResNeXt", XIE, resnext101, partial(small, widths=(16, 16), groups=2, group_width=16)),
    image("dpn98", "DPN", CHEN_DPN, DPN, small_dpn),
    image("dpn131", "DPN", CHEN_DPN, dpn131, small_dpn),
    image("glore_resnet50", "GloRe", CHEN, partial(resnet50, unit=unit_2d, unit_at=RES4), small_live, 78.4),
    image("glore_resnet50_2_3", "GloRe", CHEN, partial(resnet50, unit=unit_2d, unit_at=RES34), small_live, 78.2),
    image("glore_resnet200", "GloRe", CHEN, partial(resnet200, unit=unit_2d, unit_at=RES4_200), small_live, 79.4),
    image("glore_resnet200_2_3", "GloRe", CHEN, partial(resnet200, unit=unit_2d, unit_at=RES34_200), small_live, 79.7),
    image(
        "glore_se_resnet50",
        "GloRe",
        CHEN,
        partial(se_resnet50, unit=unit_2d, unit_at=RES4),
        partial(small_live, squeeze=4),
        78.7,
    ),
    image(
        "glore_resnext101_32x4d",
        "GloRe",
        CHEN,
        partial(resnext101, unit=unit_2d, unit_at=RES34_101),
        partial(small_live, widths=(16, 16), groups=2, group_width=16),
        79.8,
    ),
    *(
        image(
            name,
            "GloRe",
            CHEN,
            partial(encoder, unit=dual_path_unit, unit_at=RES34),
            partial(small_dpn, unit=live_2d, unit_at=((1, 1), (2, 1))),
            top1,
        )
        for name, encoder, top1 in (("glore_dpn98", DPN, 80.2), ("glore_dpn131", dpn131, 80.3))
    ),
    kinetics("glore_r50_3d", glore_r50_3d, 68.0),
    kinetics("glore_r101_3d", glore_r101_3d, 69.2),
    pixels("fcn_glore_r50", partial(dilated, depths=(3, 4, 6, 3)), 79.5),
    pixels("fcn_glore_r101", partial(dilated, depths=(3, 4, 23, 3)), 80.9),
    Preset(
        name="glore_stage",
        family="GloRe",
        paper=CHEN,
        build=partial(lite_stage, unit=GloRe, unit_at=((2, 1), (3, 1))),
        classes=24,
        clip=STAGE,
        mini=MINI_3D,
    ),
)
