"""Networks of what a compressed video has in it without decoding: motion vectors, and what they leave over."""

from functools import partial

from ..models import DMCNet, ResNet, SnippetNet, inception_i3d
from ..video import ClipSpec
from .preset import Mini, Preset, Score
from .two_stream import REACH, STILL, stage_flow, tiny, tiny_i3d

SHOU = "Shou et al., CVPR 2019, arXiv:1901.03460"
WU = "Wu et al., CVPR 2018, arXiv:1712.00636"
BESIDE = "mean of 3 splits, 25 frames of 224 px, beside the networks of I-frames and residuals of CoViAR"
BESIDE_I3D = "mean of 3 splits, whole videos, beside the networks of I-frames and residuals of CoViAR"

# Bytes are 128 for no motion and no difference; 127 more are 20 pixels to the right or down, or 254 levels.
vectors = partial(ClipSpec, mean=(STILL,) * 2, std=(REACH,) * 2, resample="bilinear", modality="vectors")
residual = partial(ClipSpec, mean=(STILL,) * 5, std=(REACH,) * 5, resample="bilinear", modality="vectors+residual")

r18 = partial(SnippetNet, channels=2, encoder=partial(ResNet, channels=2))
tiny_frames = partial(SnippetNet, channels=2, encoder=partial(tiny, channels=2))
MINI_FRAMES = Mini(tiny_frames, frames=2, side_px=16)
MINI_CLIPS = Mini(partial(tiny_i3d, channels=2), frames=8, side_px=32)
MINI_DMC = Mini(partial(DMCNet, classifier=tiny_frames), frames=2, side_px=16)
MINI_DMC_CLIPS = Mini(partial(DMCNet, classifier=partial(tiny_i3d, channels=2), reduce=2), frames=8, side_px=32)

COMPRESSED = (
    Preset(
        name="vectors_r18",
        family="CoViAR, motion vectors alone",
        paper=WU,
        build=r18,
        classes=101,
        clip=vectors(frames=25, stride=1, sampling="uniform", side_px=224, short_px=256),
        mini=MINI_FRAMES,
    ),
    Preset(
        name="vectors_stage",
        family="I3D on motion vectors",
        paper=f"{WU}, with the network of i3d_flow_stage",
        build=stage_flow,
        classes=24,
        clip=vectors(frames=16, stride=3, side_px=64, short_px=64),
        mini=MINI_CLIPS,
    ),
    Preset(
        name="dmc_r18",
        family="DMC-Net",
        paper=SHOU,
        build=partial(DMCNet, classifier=r18, detach=True),
        classes=101,
        clip=residual(frames=25, stride=1, sampling="uniform", side_px=224, short_px=256),
        mini=MINI_DMC,
        scores=(
            Score("UCF-101", "top-1", 90.9, BESIDE, "the paper"),
            Score("HMDB-51", "top-1", 62.8, BESIDE, "the paper"),
        ),
    ),
    Preset(
        name="dmc_i3d",
        family="DMC-Net",
        paper=SHOU,
        build=partial(DMCNet, classifier=partial(inception_i3d, channels=2), detach=True),
        classes=101,
        clip=residual(frames=64, stride=1, side_px=224, short_px=256),
        mini=MINI_DMC_CLIPS,
        scores=(
            Score("UCF-101", "top-1", 92.3, BESIDE_I3D, "the paper"),
            Score("HMDB-51", "top-1", 71.8, BESIDE_I3D, "the paper"),
        ),
    ),
    Preset(
        name="dmc_stage",
        family="DMC-Net",
        paper=SHOU,
        build=partial(DMCNet, classifier=stage_flow, reduce=2, detach=True),
        classes=24,
        clip=residual(frames=16, stride=3, side_px=64, short_px=64),
        mini=MINI_DMC_CLIPS,
    ),
)
