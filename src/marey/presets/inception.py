"""Inception-v1, and the networks of clips that came of it: I3D, S3D, S3D-G."""

from functools import partial

from ..models import FrameModel, InceptionV1, inception_i3d, s3d
from ..nn import MeanHead
from ..video import ClipSpec
from .inputs import STAGE, kinetics
from .preset import Mini, Preset, Score

SZEGEDY = "Szegedy et al., CVPR 2015, arXiv:1409.4842"
CARREIRA = "Carreira and Zisserman, CVPR 2017, arXiv:1705.07750"
XIE = "Xie et al., ECCV 2018, arXiv:1712.04851"
TORCHVISION = "torchvision's documentation"
KINETICS_I3D = "kinetics-i3d's README"
WHOLE = "test set, whole videos at 25 frames a second, centre crop of 224 px, pretrained on ImageNet"
PAPER = "64 frames, centre crop of 224 px, pretrained on ImageNet"

# Values from -1 to 1; of flow, stored as 0..1 with 0.5 for no motion, the whole range is 20 pixels a frame each way.
rgb = partial(ClipSpec, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), resample="bilinear")
flow = partial(ClipSpec, mean=(0.5, 0.5), std=(0.5, 0.5), resample="bilinear", modality="flow")

image = partial(FrameModel, head=partial(MeanHead, dropout=0.2))

MINI_V1 = Mini(partial(image, encoder=partial(InceptionV1, width=0.125)), frames=2, side_px=64)
MINI_I3D = Mini(partial(inception_i3d, width=0.125, pool=(2, 2, 2)), frames=16, side_px=64)
MINI_FLOW = Mini(partial(inception_i3d, channels=2, width=0.125, pool=(2, 2, 2)), frames=16, side_px=64)
MINI_S3D = Mini(partial(s3d, width=0.125, pool=(2, 2, 2)), frames=16, side_px=64)
MINI_S3D_G = Mini(partial(s3d, gated=True, width=0.125, pool=(2, 2, 2)), frames=16, side_px=64)

INCEPTION = (
    Preset(
        name="inception_v1",
        family="Inception-v1",
        paper=SZEGEDY,
        build=partial(image, encoder=InceptionV1),
        classes=1000,
        clip=rgb(frames=1, stride=1, side_px=224, short_px=256),
        mini=MINI_V1,
        variants={"tensorflow": partial(image, encoder=partial(InceptionV1, same=True))},
        scores=(Score("ImageNet", "top-1", 69.778, "one centre crop of 224 px", TORCHVISION),),
    ),
    Preset(
        name="i3d_inception_rgb",
        family="I3D",
        paper=CARREIRA,
        build=inception_i3d,
        classes=400,
        clip=rgb(frames=64, stride=1, side_px=224, short_px=256, fps=25.0),
        mini=MINI_I3D,
        scores=(
            Score("Kinetics-400", "top-1", 71.1, WHOLE, KINETICS_I3D),
            Score("Kinetics-400", "top-5", 89.3, WHOLE, KINETICS_I3D),
        ),
    ),
    Preset(
        name="i3d_inception_flow",
        family="I3D",
        paper=CARREIRA,
        build=partial(inception_i3d, channels=2),
        classes=400,
        clip=flow(frames=64, stride=1, side_px=224, short_px=256, fps=25.0),
        mini=MINI_FLOW,
        scores=(
            Score("Kinetics-400", "top-1", 63.4, WHOLE, KINETICS_I3D),
            Score("Kinetics-400", "top-5", 84.9, WHOLE, KINETICS_I3D),
        ),
    ),
    Preset(
        name="s3d",
        family="S3D",
        paper=XIE,
        build=s3d,
        classes=400,
        clip=kinetics(frames=16, stride=1, side_px=224, short_px=256),
        mini=MINI_S3D,
        scores=(
            Score("Kinetics-400", "top-1", 68.37, "clips of 128 frames at 15 frames a second, 224 px", TORCHVISION),
        ),
    ),
    Preset(
        name="s3d_stage",
        family="S3D",
        paper=XIE,
        build=partial(s3d, width=0.375, pool=(1, 2, 2)),
        classes=24,
        clip=STAGE,
        mini=MINI_S3D,
    ),
    Preset(
        name="s3d_g",
        family="S3D-G",
        paper=f"{XIE}; our own build from the text",
        build=partial(s3d, gated=True),
        classes=400,
        clip=kinetics(frames=64, stride=1, side_px=224, short_px=256),
        mini=MINI_S3D_G,
        scores=tuple(
            Score("Kinetics-400", metric, value, PAPER, "the paper, of its own build")
            for metric, value in (("top-1", 74.7), ("top-5", 93.4))
        ),
    ),
)
