"""Residual networks of images and of clips."""

from functools import partial

from ..models import FrameModel, MotionNet, ResNet, ResNet3D
from ..nn import MeanHead
from .inputs import STAGE, TORCHVISION_IMAGE, TORCHVISION_VIDEO, kinetics, plain
from .preset import Mini, Preset, Score

HE = "He et al., CVPR 2016, arXiv:1512.03385"
TRAN_2018 = "Tran et al., CVPR 2018, arXiv:1711.11248"
MOTION = "our own, after TSN (arXiv:1608.00859) and TDN (arXiv:2012.10071)"
TORCHVISION = "torchvision's documentation"
ONE_CROP = "one centre crop of 224 px"
TEN_CLIPS = "10 clips of 32 frames, centre crop of 112 px, from scratch"
FIVE_CLIPS = "5 clips of 16 frames at 15 frames a second, centre crop of 112 px"

frame_mean = partial(FrameModel, head=MeanHead)
resnet34 = partial(ResNet, depths=(3, 4, 6, 3))
resnet50 = partial(ResNet, bottleneck=True, depths=(3, 4, 6, 3))
resnet101 = partial(ResNet, bottleneck=True, depths=(3, 4, 23, 3))
resnet152 = partial(ResNet, bottleneck=True, depths=(3, 8, 36, 3))
r3d = partial(ResNet3D, kinds=("3d", "3d", "3d", "3d"))
mc3 = partial(ResNet3D, kinds=("3d", "2d", "2d", "2d"))
r2plus1d = partial(ResNet3D, kinds=("2+1d", "2+1d", "2+1d", "2+1d"), stem="2+1d")
r2plus1d_34 = partial(r2plus1d, depths=(3, 4, 6, 3))

MINI_18 = Mini(partial(frame_mean, encoder=partial(ResNet, widths=(4, 6), depths=(1, 1))), frames=2, side_px=16)
MINI_50 = Mini(
    partial(frame_mean, encoder=partial(ResNet, bottleneck=True, widths=(4, 6), depths=(1, 1))), frames=2, side_px=16
)
MINI_R3D = Mini(partial(r3d, widths=(4, 6, 8, 10), depths=(1, 1, 1, 1)), frames=8, side_px=32)
MINI_MC3 = Mini(partial(mc3, widths=(4, 6, 8, 10), depths=(1, 1, 1, 1)), frames=4, side_px=32)
MINI_R2PLUS1D = Mini(partial(r2plus1d, widths=(4, 6, 8, 10), depths=(1, 1, 1, 1)), frames=8, side_px=32)

RESIDUAL = (
    Preset(
        name="resnet18",
        family="ResNet",
        paper=HE,
        build=partial(frame_mean, encoder=ResNet),
        classes=1000,
        clip=TORCHVISION_IMAGE,
        mini=MINI_18,
        scores=(Score("ImageNet", "top-1", 69.758, ONE_CROP, TORCHVISION),),
    ),
    Preset(
        name="resnet18_stage",
        family="ResNet",
        paper=HE,
        build=partial(frame_mean, encoder=partial(ResNet, widths=(16, 32, 64, 128))),
        classes=24,
        clip=plain(frames=8, stride=6, side_px=64, short_px=64),
        mini=MINI_18,
    ),
    Preset(
        name="resnet34",
        family="ResNet",
        paper=HE,
        build=partial(frame_mean, encoder=resnet34),
        classes=1000,
        clip=TORCHVISION_IMAGE,
        mini=MINI_18,
        scores=(Score("ImageNet", "top-1", 73.314, ONE_CROP, TORCHVISION),),
    ),
    Preset(
        name="resnet50",
        family="ResNet",
        paper=HE,
        build=partial(frame_mean, encoder=resnet50),
        classes=1000,
        clip=TORCHVISION_IMAGE,
        mini=MINI_50,
        scores=(Score("ImageNet", "top-1", 76.13, f"{ONE_CROP}, weights V1", TORCHVISION),),
    ),
    *(
        Preset(
            name=name,
            family="ResNet",
            paper=HE,
            build=partial(frame_mean, encoder=encoder),
            classes=1000,
            clip=TORCHVISION_IMAGE,
            mini=MINI_50,
            scores=(Score("ImageNet", "top-1", top1, f"{ONE_CROP}, weights V1", TORCHVISION),),
        )
        for name, encoder, top1 in (("resnet101", resnet101, 77.374), ("resnet152", resnet152, 78.312))
    ),
    Preset(
        name="resnet50_stage",
        family="ResNet",
        paper=HE,
        build=partial(frame_mean, encoder=partial(ResNet, bottleneck=True, widths=(8, 16, 32, 64))),
        classes=24,
        clip=plain(frames=8, stride=6, side_px=64, short_px=64),
        mini=MINI_50,
    ),
    Preset(
        name="r3d_18",
        family="R3D",
        paper=TRAN_2018,
        build=r3d,
        classes=400,
        clip=TORCHVISION_VIDEO,
        mini=MINI_R3D,
        scores=(Score("Kinetics-400", "top-1", 63.2, FIVE_CLIPS, TORCHVISION),),
    ),
    Preset(
        name="r3d_stage",
        family="R3D",
        paper=TRAN_2018,
        build=partial(r3d, widths=(24, 48, 96, 128), depths=(1, 1, 1, 1), stem_stride=4),
        classes=24,
        clip=STAGE,
        mini=MINI_R3D,
    ),
    Preset(
        name="mc3_18",
        family="MC3",
        paper=TRAN_2018,
        build=mc3,
        classes=400,
        clip=TORCHVISION_VIDEO,
        mini=MINI_MC3,
        scores=(Score("Kinetics-400", "top-1", 63.96, FIVE_CLIPS, TORCHVISION),),
    ),
    Preset(
        name="mc3_stage",
        family="MC3",
        paper=TRAN_2018,
        build=partial(mc3, widths=(24, 48, 96, 128), depths=(1, 1, 1, 1), stem_stride=4),
        classes=24,
        clip=STAGE,
        mini=MINI_MC3,
    ),
    Preset(
        name="r2plus1d_18",
        family="R(2+1)D",
        paper=TRAN_2018,
        build=r2plus1d,
        classes=400,
        clip=TORCHVISION_VIDEO,
        mini=MINI_R2PLUS1D,
        scores=(Score("Kinetics-400", "top-1", 57.5, "single clips of 16 frames", f"{TORCHVISION}, release 0.13"),),
    ),
    Preset(
        name="r2plus1d_34",
        family="R(2+1)D",
        paper=TRAN_2018,
        build=partial(r2plus1d_34, shared_mid=False, epsilon=1e-3),  # as in VMZ, which has the weights of the paper
        classes=400,
        clip=kinetics(frames=32, stride=1, side_px=112, short_px=128),
        mini=MINI_R2PLUS1D,
        variants={"torchvision": r2plus1d_34},
        scores=(Score("Kinetics-400", "top-1", 72.0, TEN_CLIPS, "the paper"),),
    ),
    Preset(
        name="r2plus1d_stage",
        family="R(2+1)D",
        paper=TRAN_2018,
        build=partial(r2plus1d, widths=(24, 48, 96, 128), depths=(1, 1, 1, 1), stem_mid=12, stem_stride=4),
        classes=24,
        clip=STAGE,
        mini=MINI_R2PLUS1D,
    ),
    Preset(
        name="motion_stage",
        family="frames and differences",
        paper=MOTION,
        build=MotionNet,
        classes=24,
        clip=STAGE,
        mini=Mini(partial(MotionNet, widths=(4, 6), depths=(1, 2), parts=2), frames=8, side_px=16),
    ),
)
