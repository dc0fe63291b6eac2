"""Video transformers of the ViT family: TimeSformer and VideoMAE."""

from functools import partial

from ..models import TimeSformer, VideoMAE
from .inputs import STAGE, imagenet, pyslowfast
from .preset import Mini, Preset, Score

TIMESFORMER_PAPER = "Bertasius, Wang and Torresani, ICML 2021, arXiv:2102.05095"
VIDEOMAE_PAPER = "Tong et al., NeurIPS 2022, arXiv:2203.12602"
VIDEOMAE_ZOO = "MODEL_ZOO.md of MCG-NJU/VideoMAE"

SIXTEEN = imagenet(frames=16, stride=4, fps=30.0, side_px=224, short_px=224)
FIVE_CLIPS = "5 clips x 3 crops of 224 px, pretrained on Kinetics-400"

MINI_TIMESFORMER = Mini(
    partial(TimeSformer, dim=12, depth=2, heads=2, patch=4, frames=3, side=8, zero_init=False), frames=3, side_px=8
)
MINI_VIDEOMAE = Mini(partial(VideoMAE, dim=12, depth=4, heads=2, patch=(2, 4), frames=4, side=8), frames=4, side_px=8)

VIT = (
    Preset(
        name="timesformer_b",
        family="TimeSformer",
        paper=TIMESFORMER_PAPER,
        build=TimeSformer,
        classes=400,
        clip=pyslowfast(frames=8, stride=32, side_px=224, short_px=224),
        mini=MINI_TIMESFORMER,
        variants={"joint": partial(TimeSformer, attention="joint"), "space": partial(TimeSformer, attention="space")},
        scores=tuple(
            Score("Kinetics-400", metric, value, "1 clip x 3 crops of 224 px", "README of facebookresearch/TimeSformer")
            for metric, value in (("top-1", 77.9), ("top-5", 93.2))
        ),
    ),
    Preset(
        name="timesformer_stage",
        family="TimeSformer",
        paper=TIMESFORMER_PAPER,
        build=partial(TimeSformer, dim=96, depth=4, heads=3, frames=16, side=64),
        classes=24,
        clip=STAGE,
        mini=MINI_TIMESFORMER,
    ),
    Preset(
        name="videomae_s",
        family="VideoMAE",
        paper=VIDEOMAE_PAPER,
        build=partial(VideoMAE, dim=384, heads=6, drop_path=0.1),
        classes=400,
        clip=SIXTEEN,
        mini=MINI_VIDEOMAE,
        scores=(Score("Kinetics-400", "top-1", 79.0, FIVE_CLIPS, VIDEOMAE_ZOO),),
    ),
    Preset(
        name="videomae_b",
        family="VideoMAE",
        paper=VIDEOMAE_PAPER,
        build=partial(VideoMAE, drop_path=0.1),
        classes=400,
        clip=SIXTEEN,
        mini=MINI_VIDEOMAE,
        scores=(Score("Kinetics-400", "top-1", 81.5, FIVE_CLIPS, VIDEOMAE_ZOO),),
    ),
    Preset(
        name="videomae_stage",
        family="VideoMAE",
        paper=VIDEOMAE_PAPER,
        build=partial(VideoMAE, dim=96, depth=4, heads=3, frames=16, side=64),
        classes=24,
        clip=STAGE,
        mini=MINI_VIDEOMAE,
    ),
)
