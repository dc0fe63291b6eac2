"""Networks of pictures and of their motion, at the sizes that the I3D paper compares and at those of the stage."""

from functools import partial

from ..models import Fused3D, InceptionV1, ResNet, SnippetNet, TwoStream, inception_i3d
from ..video import ClipSpec
from .inception import CARREIRA, KINETICS_I3D, WHOLE
from .preset import Mini, Preset, Score
from .slowfast import stage

SIMONYAN = "Simonyan and Zisserman, NIPS 2014, arXiv:1406.2199"
BASELINE = f"{SIMONYAN}, as in {CARREIRA}"
FUSED = f"Feichtenhofer et al., CVPR 2016, arXiv:1604.06573, as in {CARREIRA}"
TESTED = "test set, whole videos at 25 frames a second, centre crop of 224 px, image networks from ImageNet"

# RGB from -1 to 1; of flow, whose bytes are 128 for no motion and 127 more for 20 pixels a frame, exactly that too.
STILL, REACH = 128 / 255, 127 / 255
flow = partial(ClipSpec, mean=(STILL,) * 2, std=(REACH,) * 2, resample="bilinear", modality="flow")
both = partial(
    ClipSpec,
    mean=(0.5,) * 3 + (STILL,) * 2,
    std=(0.5,) * 3 + (REACH,) * 2,
    resample="bilinear",
    modality="rgb+flow",
)
rgb = partial(ClipSpec, mean=(0.5,) * 3, std=(0.5,) * 3, resample="bilinear")

spatial = partial(SnippetNet, frames=10, encoder=InceptionV1, dropout=0.5)
temporal = partial(
    SnippetNet, frames=10, stacked=True, channels=2, encoder=partial(InceptionV1, channels=20), dropout=0.5
)
small = partial(ResNet, widths=(32, 64, 128, 256), depths=(1, 1, 1, 1))
small_spatial = partial(SnippetNet, frames=16, encoder=small, dropout=0.2)
small_temporal = partial(
    SnippetNet, frames=16, stacked=True, channels=2, encoder=partial(small, channels=32), dropout=0.2
)
i3d_flow = partial(inception_i3d, channels=2)
stage_flow = partial(stage, width=16, channels=2)
STAGE_FLOW = flow(frames=16, stride=3, side_px=64, short_px=64)
STAGE_BOTH = both(frames=16, stride=3, side_px=64, short_px=64)

tiny = partial(ResNet, widths=(4, 6), depths=(1, 1))
tiny_spatial = partial(SnippetNet, frames=2, encoder=tiny)
tiny_temporal = partial(SnippetNet, frames=2, stacked=True, channels=2, encoder=partial(tiny, channels=4))
tiny_i3d = partial(stage, width=4, stem=3, times=((3,), (3, 1)), zero_init=False)
MINI_SPATIAL = Mini(tiny_spatial, frames=4, side_px=16)
MINI_TEMPORAL = Mini(tiny_temporal, frames=4, side_px=16)
MINI_TWO = Mini(partial(TwoStream, spatial=tiny_spatial, temporal=tiny_temporal), frames=4, side_px=16)
MINI_FUSED = Mini(
    partial(Fused3D, spatial=tiny, temporal=partial(tiny, channels=4), frames=2, width=8), frames=6, side_px=16
)
MINI_I3D_FLOW = Mini(partial(tiny_i3d, channels=2), frames=8, side_px=32)
MINI_TWO_I3D = Mini(
    partial(TwoStream, spatial=tiny_i3d, temporal=partial(tiny_i3d, channels=2), fuse="add"), frames=8, side_px=32
)

TWO_STREAM = (
    Preset(
        name="two_stream",
        family="two-stream",
        paper=BASELINE,
        build=partial(TwoStream, spatial=spatial, temporal=temporal),
        classes=400,
        clip=both(frames=10, stride=1, fps=25.0, side_px=224, short_px=256),
        mini=MINI_TWO,
        scores=(Score("Kinetics-400", "top-1", 65.6, TESTED, "the I3D paper"),),
    ),
    Preset(
        name="two_stream_rgb",
        family="two-stream, RGB alone",
        paper=BASELINE,
        build=spatial,
        classes=400,
        clip=rgb(frames=10, stride=1, fps=25.0, side_px=224, short_px=256),
        mini=MINI_SPATIAL,
        scores=(Score("Kinetics-400", "top-1", 62.2, TESTED, "the I3D paper"),),
    ),
    Preset(
        name="two_stream_flow",
        family="two-stream, flow alone",
        paper=BASELINE,
        build=temporal,
        classes=400,
        clip=flow(frames=10, stride=1, fps=25.0, side_px=224, short_px=256),
        mini=MINI_TEMPORAL,
        scores=(Score("Kinetics-400", "top-1", 52.4, TESTED, "the I3D paper"),),
    ),
    Preset(
        name="two_stream_stage",
        family="two-stream",
        paper=SIMONYAN,
        build=partial(TwoStream, spatial=small_spatial, temporal=small_temporal),
        classes=24,
        clip=STAGE_BOTH,
        mini=MINI_TWO,
    ),
    Preset(
        name="two_stream_rgb_stage",
        family="two-stream, RGB alone",
        paper=SIMONYAN,
        build=small_spatial,
        classes=24,
        clip=rgb(frames=16, stride=3, side_px=64, short_px=64),
        mini=MINI_SPATIAL,
    ),
    Preset(
        name="two_stream_flow_stage",
        family="two-stream, flow alone",
        paper=SIMONYAN,
        build=small_temporal,
        classes=24,
        clip=STAGE_FLOW,
        mini=MINI_TEMPORAL,
    ),
    Preset(
        name="fused3d",
        family="3D-Fused",
        paper=FUSED,
        build=partial(Fused3D, spatial=InceptionV1, temporal=partial(InceptionV1, channels=20)),
        classes=400,
        clip=both(frames=50, stride=1, fps=25.0, side_px=224, short_px=256),
        mini=MINI_FUSED,
        scores=(Score("Kinetics-400", "top-1", 67.2, TESTED, "the I3D paper"),),
    ),
    Preset(
        name="fused3d_stage",
        family="3D-Fused",
        paper=FUSED,
        build=partial(Fused3D, spatial=small, temporal=partial(small, channels=8), frames=4, width=128, dropout=0.2),
        classes=24,
        clip=STAGE_BOTH,
        mini=MINI_FUSED,
    ),
    Preset(
        name="i3d_inception_two_stream",
        family="Two-Stream I3D",
        paper=CARREIRA,
        build=partial(TwoStream, spatial=inception_i3d, temporal=i3d_flow, fuse="add"),
        classes=400,
        clip=both(frames=64, stride=1, fps=25.0, side_px=224, short_px=256),
        mini=MINI_TWO_I3D,
        scores=(
            Score("Kinetics-400", "top-1", 74.2, WHOLE, KINETICS_I3D),
            Score("Kinetics-400", "top-5", 91.3, WHOLE, KINETICS_I3D),
        ),
    ),
    Preset(
        name="i3d_flow_stage",
        family="I3D",
        paper=CARREIRA,
        build=stage_flow,
        classes=24,
        clip=STAGE_FLOW,
        mini=MINI_I3D_FLOW,
    ),
    Preset(
        name="i3d_two_stream_stage",
        family="Two-Stream I3D",
        paper=CARREIRA,
        build=partial(TwoStream, spatial=partial(stage, width=16), temporal=stage_flow, fuse="add"),
        classes=24,
        clip=STAGE_BOTH,
        mini=MINI_TWO_I3D,
    ),
)
