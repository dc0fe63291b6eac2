"""FishNet of three depths."""

from functools import partial

from ..models import FishNet, FrameModel
from ..nn import MeanHead
from .inputs import TORCHVISION_IMAGE
from .preset import Mini, Preset, Score

SUN = "Sun et al., NeurIPS 2018, arXiv:1901.03495"
RELEASE = "the official repository"
ONE_CROP = "one centre crop of 224 px"

frame_mean = partial(FrameModel, head=MeanHead)
fishnet99 = partial(FishNet, depths=(2, 2, 6, 2, 1, 1, 1, 1, 2, 2), transfers=(1, 1, 1, 1, 1, 4))
fishnet150 = partial(FishNet, depths=(2, 4, 8, 4, 2, 2, 2, 2, 2, 4), transfers=(2, 2, 2, 2, 2, 4))
fishnet201 = partial(FishNet, depths=(3, 4, 12, 4, 2, 2, 2, 2, 3, 10), transfers=(2, 2, 2, 2, 2, 9))

MINI = Mini(
    partial(
        frame_mean,
        encoder=partial(FishNet, depths=(1, 1, 2, 1, 1, 1, 1, 1, 1, 1), transfers=(1, 1, 1, 1, 1, 1), width=8),
    ),
    frames=2,
    side_px=64,
)

FISHNET = tuple(
    Preset(
        name=name,
        family="FishNet",
        paper=SUN,
        build=partial(frame_mean, encoder=encoder),
        classes=1000,
        clip=TORCHVISION_IMAGE,
        mini=MINI,
        scores=scores,
    )
    for name, encoder, scores in (
        ("fishnet99", fishnet99, (Score("ImageNet", "top-1", 77.41, ONE_CROP, RELEASE),)),
        (
            "fishnet150",
            fishnet150,
            (
                Score("ImageNet", "top-1", 78.14, ONE_CROP, RELEASE),
                Score("ImageNet", "top-1", 79.35, f"{ONE_CROP}, cosine schedule and label smoothing", RELEASE),
            ),
        ),
        (
            "fishnet201",
            fishnet201,
            (
                Score("ImageNet", "top-1", 78.76, ONE_CROP, RELEASE),
                Score("ImageNet", "top-1", 79.71, f"{ONE_CROP}, cosine schedule and label smoothing", RELEASE),
            ),
        ),
    )
)
