"""Multi-Fiber networks of clips and of images."""

from functools import partial

from ..models import FrameModel, MFNet2D, MFNet3D
from ..nn import MeanHead
from .inputs import FIBRE_3D, FIBRE_IMAGE, STAGE
from .preset import Mini, Preset, Score

CHEN_FIBER = "Chen et al., ECCV 2018, arXiv:1807.11195"
RELEASE = "the official repository"
frame_mean = partial(FrameModel, head=MeanHead)

MFNET = (
    Preset(
        name="mfnet_3d",
        family="MF-Net",
        paper=CHEN_FIBER,
        build=MFNet3D,
        classes=400,
        clip=FIBRE_3D,
        mini=Mini(partial(MFNet3D, depths=(2, 1), widths=(8, 12), stem_width=4, fibres=2), frames=16, side_px=16),
        scores=(
            Score("Kinetics-400", "top-1", 72.8, "as the repository reports it", RELEASE),
            Score("UCF101", "accuracy", 96.0, "mean of 3 splits, from Kinetics", RELEASE),
            Score("HMDB51", "accuracy", 74.6, "mean of 3 splits, from Kinetics", RELEASE),
        ),
    ),
    Preset(
        name="mfnet_2d",
        family="MF-Net",
        paper=CHEN_FIBER,
        build=partial(frame_mean, encoder=MFNet2D),
        classes=1000,
        clip=FIBRE_IMAGE,
        mini=Mini(
            partial(frame_mean, encoder=partial(MFNet2D, depths=(2, 1), widths=(8, 12), stem_width=4, fibres=2)),
            frames=2,
            side_px=16,
        ),
        scores=(Score("ImageNet", "top-1", 74.6, "one crop", RELEASE),),
    ),
    Preset(
        name="mfnet_stage",
        family="MF-Net",
        paper=CHEN_FIBER,
        build=partial(MFNet3D, depths=(1, 2, 2, 1), widths=(96, 160, 224, 320)),
        classes=24,
        clip=STAGE,
        mini=Mini(partial(MFNet3D, depths=(2, 1), widths=(8, 12), stem_width=4, fibres=2), frames=16, side_px=16),
    ),
)
