"""Flow features (OFF) on networks of images: what moves, from RGB alone."""

from functools import partial

from ..models import FrameModel, InceptionV1, ResNet, off_network
from ..nn import FlowFeatureBranch, MeanHead
from .inception import rgb
from .inputs import STAGE
from .preset import Mini, Preset

SUN = "Sun et al., CVPR 2018, arXiv:1711.11152"

# The official maps are 3a, 3b of 28 pixels, 3c, 4a to 4d of 14, and 5a, 5b of 7: two, five and two.
INCEPTION_AT = tuple(
    {f"encoder.trunk.stage{number}.mixed_{letter}": width for letter, width in widths.items()}
    for number, widths in (
        (3, {"a": 256, "b": 480}),
        (4, {"a": 512, "b": 512, "c": 512, "d": 528, "e": 832}),
        (5, {"a": 832, "b": 1024}),
    )
)
frame_mean = partial(FrameModel, head=partial(MeanHead, dropout=0.2))
inception = partial(
    off_network,
    net=partial(frame_mean, encoder=InceptionV1),
    at=INCEPTION_AT,
    strides=(2, 2, 1),
    token_dim=1024,
)
stage = partial(
    off_network,
    net=partial(frame_mean, encoder=partial(ResNet, widths=(16, 32, 64, 128), depths=(1, 1, 1, 1))),
    at=({"encoder.stages.stage2": 32}, {"encoder.stages.stage3": 64}, {"encoder.stages.stage4": 128}),
    strides=(2, 2, 1),
    token_dim=128,
    branch=partial(FlowFeatureBranch, spatial=8, temporal=32, width=16),
)
tiny = partial(
    off_network,
    net=partial(FrameModel, encoder=partial(ResNet, widths=(4, 6), depths=(1, 1)), head=MeanHead),
    at=({"encoder.stages.stage1": 4}, {"encoder.stages.stage2": 6}),
    strides=(2, 1),
    token_dim=6,
    # Zeros would keep the branch from learning in its first step.
    branch=partial(FlowFeatureBranch, spatial=2, temporal=3, width=2, zero_init=False),
)
MINI = Mini(tiny, frames=3, side_px=16)

OFF = (
    Preset(
        name="off_inception",
        family="OFF",
        paper=f"{SUN}, on Inception-v1 instead of BN-Inception",
        build=inception,
        classes=101,
        clip=rgb(frames=7, stride=1, side_px=224, short_px=256, sampling="uniform"),
        mini=MINI,
        # The paper's Sobel operators instead of the official kernel.
        variants={"sobel": partial(inception, branch=partial(FlowFeatureBranch, gradient="sobel"))},
    ),
    Preset(
        name="off_stage",
        family="OFF",
        paper=SUN,
        build=stage,
        classes=24,
        clip=STAGE,
        mini=MINI,
    ),
)
