"""MViT and MViTv2. The numbers of a name are frames and stride."""

from functools import partial

from ..models import MViT
from .inputs import STAGE, pyslowfast
from .preset import Mini, Preset, Score

PAPER = "Fan et al., ICCV 2021, arXiv:2104.11227"
PAPER_V2 = "Li et al., CVPR 2022, arXiv:2112.01526"
ZOO = "PySlowFast's model zoo"
CLIPS = "5 clips of 224 px"

SHORT = pyslowfast(frames=16, stride=4, side_px=224, short_px=224)
LONG = pyslowfast(frames=32, stride=3, side_px=224, short_px=224)

official = partial(MViT, dropout=0.5, drop_path=0.2)
tiny = partial(MViT, dim=4, head_dim=4, frames=4, side=16, key_stride=4)
BASE, STAGES = (2, 3, 16, 3), (1, 1, 2, 1)
MINI = Mini(partial(tiny, stages=(1, 2, 2, 2)), frames=4, side_px=16)
MINI_V2 = Mini(partial(tiny, improved=True), frames=4, side_px=16)
MINI_V2_BASE = Mini(partial(tiny, stages=BASE, improved=True), frames=4, side_px=16)
MINI_STAGE = Mini(partial(tiny, stages=STAGES, improved=True), frames=4, side_px=16)


def unused(depth: int) -> tuple[str, ...]:
    """Parameters of MViTv2 that do not matter: of the last block's answers only the class token's are read, whose
    query is neither convolved nor anywhere."""
    last = f"blocks.{depth - 1}.attention"
    return (f"{last}.pool_q.conv.weight", *(f"{last}.relative.{axis}" for axis in ("frames", "rows", "columns")))


def score(value: float) -> tuple[Score, ...]:
    return (Score("Kinetics-400", "top-1", value, CLIPS, ZOO),)


MVIT = (
    Preset(
        name="mvit_b_16x4",
        family="MViT",
        paper=PAPER,
        build=official,
        classes=400,
        clip=SHORT,
        mini=MINI,
        scores=score(78.4),
    ),
    Preset(
        name="mvit_b_32x3",
        family="MViT",
        paper=PAPER,
        build=partial(official, frames=32, drop_path=0.3),
        classes=400,
        clip=LONG,
        mini=MINI,
        scores=score(80.4),
    ),
    Preset(
        name="mvitv2_s_16x4",
        family="MViTv2",
        paper=PAPER_V2,
        build=partial(official, improved=True),
        classes=400,
        clip=SHORT,
        mini=MINI_V2,
        dead_keys=unused(16),
        scores=score(81.0),
    ),
    Preset(
        name="mvitv2_b_32x3",
        family="MViTv2",
        paper=PAPER_V2,
        build=partial(official, stages=BASE, frames=32, improved=True, drop_path=0.3),
        classes=400,
        clip=LONG,
        mini=MINI_V2_BASE,
        dead_keys=unused(24),
        scores=score(82.9),
    ),
    Preset(
        name="mvit_stage",
        family="MViTv2",
        paper=PAPER_V2,
        build=partial(MViT, stages=STAGES, dim=32, head_dim=32, side=64, key_stride=4, improved=True),
        classes=24,
        clip=STAGE,
        mini=MINI_STAGE,
        dead_keys=unused(5),
    ),
)
