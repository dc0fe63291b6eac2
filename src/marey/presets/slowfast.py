"""C2D, I3D, Slow and SlowFast, with and without non-local blocks, as PySlowFast builds them.

The numbers of a name are frames and stride of the slow (or only) pathway: 8x8 is 8 frames, one of every 8.
"""

from functools import partial

from ..models import SlowFast, VideoResNet
from ..nn import GloRe, NonLocal
from .inputs import STAGE, STAGE_FRAME, imagenet, pyslowfast
from .preset import Build, Mini, Preset, Score

NON_LOCAL_PAPER = "Wang et al., CVPR 2018, arXiv:1711.07971"
SLOWFAST_PAPER = "Feichtenhofer et al., ICCV 2019, arXiv:1812.03982"
VIEWS = "10 clips x 3 crops of 256 px"
TESTED, REPOSITORY = "10 clips, short side of 256 px", "the repository video-nonlocal-net"
ZOO = "PySlowFast's MODEL_ZOO.md"
SLOWFAST_TABLE = "the paper, table 2"

Times = tuple[tuple[int, ...], ...]
R50, R101 = (3, 4, 6, 3), (3, 4, 23, 3)
C2D, I3D = ((1,), (1,), (1,), (1,)), ((3,), (3, 1), (3, 1), (1, 3))
SLOW, FAST = ((1,), (1,), (3,), (3,)), ((3,), (3,), (3,), (3,))
FIVE: Times = ((), (1, 3), (1, 3, 5), ())
THREE: Times = ((), (), (6, 13, 20), ())


def cycled(pattern: Times, depths: tuple[int, ...]) -> Times:
    """The frames that each block's kernel reaches over: those of its stage in turn."""
    return tuple(
        tuple(frames[j % len(frames)] for j in range(depth)) for frames, depth in zip(pattern, depths, strict=True)
    )


def as_r50(times: Times) -> Times:
    """R101 with the temporal kernels of R50 ("R101_50_50"): in res4 only the first 6 blocks have any."""
    return (*times[:2], times[2][:6] + (1,) * (len(times[2]) - 6), times[3])


pool2 = partial(VideoResNet, pool2=(2, 2))
c2d = partial(pool2, times=cycled(C2D, R50))
c2d_nopool = partial(VideoResNet, times=cycled(C2D, R50))
i3d = partial(pool2, stem=5, times=cycled(I3D, R50))
i3d_r101 = partial(i3d, times=cycled(I3D, R101))
slow = partial(VideoResNet, times=cycled(SLOW, R50))
slowfast = partial(SlowFast, slow_times=cycled(SLOW, R50), fast_times=cycled(FAST, R50))
slowfast_4x16 = partial(slowfast, alpha=8)
slowfast_8x8 = partial(slowfast, alpha=4, lateral_frames=7)
slowfast_r101 = partial(SlowFast, alpha=4, slow_times=as_r50(cycled(SLOW, R101)), fast_times=as_r50(cycled(FAST, R101)))
slowfast_r101_101 = partial(SlowFast, alpha=4, slow_times=cycled(SLOW, R101), fast_times=cycled(FAST, R101))
softmax = partial(NonLocal, affinity="embedded_gaussian")
dot_product = partial(NonLocal, affinity="dot_product")


def pytorchvideo(build: partial) -> dict[str, Build]:
    """pytorchvideo averages windows of 7 x 7 positions, so that of larger inputs the middle weighs more."""
    return {"pytorchvideo": partial(build, pool_side=7)}


def mmaction2(build: partial) -> dict[str, Build]:
    """mmaction2's lateral convolutions have no normalization, and its slow pathway takes every alpha-th frame.

    Those of its R101 reach over 7 frames, as those of every 8x8; PySlowFast's over 5.
    """
    return {"mmaction2": partial(build, lateral_norm=False, slow_frames="every")}


# PySlowFast's one released C2D, C2D_NOPOOL_8x8_R50.pkl, does not pool over time after res2; its tensors do not show it.
C2D_NOPOOL: dict[str, Build] = {"nopool": c2d_nopool}

# mmaction2's I3D halves time in conv1 and in pool1 too. Its non-local blocks pool phi and g, not what these read, and
# it has trained three kinds, of which the tensors of the dot product are those of the embedded Gaussian.
i3d_mmaction2 = partial(i3d, stem_stride=2, pool1=(1, 2))
attend_mmaction2 = partial(NonLocal, pool_after=True, scaled=False, out_bias=False)
I3D_MMACTION2 = {"mmaction2": i3d_mmaction2}
I3D_NL_MMACTION2: dict[str, Build] = {
    name: partial(i3d_mmaction2, non_local=FIVE, attend=partial(attend_mmaction2, affinity=affinity))
    for name, affinity in (
        ("mmaction2", "embedded_gaussian"),
        ("mmaction2-dot-product", "dot_product"),
        ("mmaction2-gaussian", "gaussian"),
    )
}
SLOW_MMACTION2 = {"mmaction2": slow}  # the same network, of which only the clips differ

eight = pyslowfast(frames=8, stride=8, side_px=256, short_px=256)
four = pyslowfast(frames=4, stride=16, side_px=256, short_px=256)
thirty_two = pyslowfast(frames=32, stride=2, side_px=256, short_px=256)
sixty_four = pyslowfast(frames=64, stride=2, side_px=256, short_px=256)

# mmaction2 counts strides at the video's own frame rate, and normalizes as for ImageNet's networks.
EIGHT_MMACTION2 = {"mmaction2": imagenet(frames=8, stride=8, side_px=256, short_px=256)}
FOUR_MMACTION2 = {"mmaction2": imagenet(frames=4, stride=16, side_px=256, short_px=256)}
THIRTY_TWO_MMACTION2 = {"mmaction2": imagenet(frames=32, stride=2, side_px=256, short_px=256)}

seen = partial(NonLocal, zero_init=False)  # fresh official blocks are identities, which pass no gradient on
small = partial(VideoResNet, width=4, zero_init=False, pool2=(2, 2), attend=seen)
small_slowfast = partial(
    SlowFast,
    alpha=2,
    width=8,
    fast_ratio=2,
    slow_times=((1,), (3,)),
    fast_times=((3,), (3,)),
    zero_init=False,
    attend=partial(seen, affinity="dot_product"),
)
MINI_C2D = Mini(partial(small, times=((1,), (1, 1))), frames=4, side_px=32)
MINI_FRAME = Mini(partial(small, pool2=None, times=((1,), (1, 1))), frames=1, side_px=32)
MINI_C2D_NL = Mini(partial(small, times=((1,), (1, 1)), non_local=((), (0,))), frames=4, side_px=32)
MINI_I3D = Mini(partial(small, stem=5, times=((3,), (3, 1))), frames=4, side_px=32)
MINI_I3D_NL = Mini(partial(small, stem=5, times=((3,), (3, 1)), non_local=((), (0,))), frames=4, side_px=32)
MINI_I3D_GLORE = Mini(
    partial(small, stem=5, times=((3,), (3, 1)), non_local=((), (0,)), attend=partial(GloRe, zero_init=False)),
    frames=4,
    side_px=32,
)
MINI_SLOW = Mini(partial(small, pool2=None, times=((1,), (3, 3))), frames=2, side_px=32)
MINI_SLOWFAST = Mini(small_slowfast, frames=4, side_px=32)
MINI_SLOWFAST_NL = Mini(partial(small_slowfast, non_local=((), (0,))), frames=4, side_px=32)


# For small clips on a CPU: all of about the same cost.
stage = partial(VideoResNet, stem=5, stem_stride=2, pool2=(2, 2), times=((3,), (3, 1), (3, 1, 3), (1,)))
stage_frame = partial(VideoResNet, width=16, times=((1,), (1, 1), (1, 1, 1), (1,)))  # the stage I3D's image network
stage_slowfast = partial(
    SlowFast,
    alpha=4,
    width=16,
    fast_ratio=4,
    slow_times=((1,), (1, 1), (3, 3, 3), (3,)),
    fast_times=((3,), (3, 3), (3, 3, 3), (3,)),
)


def kinetics(top1: float, top5: float, source: str) -> tuple[Score, ...]:
    return (
        Score("Kinetics-400", "top-1", top1, VIEWS, source),
        Score("Kinetics-400", "top-5", top5, VIEWS, source),
    )


SLOWFAST = (
    Preset(
        name="c2d_r50_8x8",
        family="C2D",
        paper=NON_LOCAL_PAPER,
        build=c2d,
        classes=400,
        clip=eight,
        mini=MINI_C2D,
        variants=pytorchvideo(c2d) | C2D_NOPOOL,
        scores=(
            Score("Kinetics-400", "top-1", 71.9, TESTED, REPOSITORY),
            *kinetics(67.2, 87.8, f"{ZOO}, of the variant nopool"),
        ),
    ),
    Preset(
        name="c2d_nl_r50_8x8",
        family="C2D with non-local blocks",
        paper=NON_LOCAL_PAPER,
        build=partial(c2d, non_local=FIVE, attend=softmax),
        classes=400,
        clip=eight,
        mini=MINI_C2D_NL,
        scores=(Score("Kinetics-400", "top-1", 74.4, TESTED, REPOSITORY),),
    ),
    Preset(
        name="i3d_r50_8x8",
        family="I3D",
        paper=NON_LOCAL_PAPER,
        build=i3d,
        classes=400,
        clip=eight,
        mini=MINI_I3D,
        variants=pytorchvideo(i3d) | I3D_MMACTION2,
        clips=THIRTY_TWO_MMACTION2,
        scores=kinetics(73.5, 90.8, ZOO),
    ),
    Preset(
        name="i3d_nl_r50_8x8",
        family="I3D with non-local blocks",
        paper=NON_LOCAL_PAPER,
        build=partial(i3d, non_local=FIVE, attend=softmax),
        classes=400,
        clip=eight,
        mini=MINI_I3D_NL,
        variants=I3D_NL_MMACTION2,
        clips=dict.fromkeys(I3D_NL_MMACTION2, THIRTY_TWO_MMACTION2["mmaction2"]),
        scores=kinetics(74.0, 91.1, ZOO),
    ),
    Preset(
        name="i3d_r101_8x8",
        family="I3D",
        paper=NON_LOCAL_PAPER,
        build=i3d_r101,
        classes=400,
        clip=eight,
        mini=MINI_I3D,
    ),
    Preset(
        name="i3d_nl_r101_8x8",
        family="I3D with non-local blocks",
        paper=NON_LOCAL_PAPER,
        build=partial(i3d_r101, non_local=FIVE, attend=softmax),
        classes=400,
        clip=eight,
        mini=MINI_I3D_NL,
    ),
    Preset(
        name="slow_r50_4x16",
        family="Slow",
        paper=SLOWFAST_PAPER,
        build=slow,
        classes=400,
        clip=four,
        mini=MINI_SLOW,
        variants=pytorchvideo(slow) | SLOW_MMACTION2,
        clips=FOUR_MMACTION2,
        scores=kinetics(72.7, 90.3, ZOO),
    ),
    Preset(
        name="slow_r50_8x8",
        family="Slow",
        paper=SLOWFAST_PAPER,
        build=slow,
        classes=400,
        clip=eight,
        mini=MINI_SLOW,
        variants=pytorchvideo(slow) | SLOW_MMACTION2,
        clips=EIGHT_MMACTION2,
        scores=kinetics(74.8, 91.6, ZOO),
    ),
    Preset(
        name="slowfast_r50_4x16",
        family="SlowFast",
        paper=SLOWFAST_PAPER,
        build=slowfast_4x16,
        classes=400,
        clip=thirty_two,
        mini=MINI_SLOWFAST,
        variants=pytorchvideo(slowfast_4x16) | mmaction2(slowfast_4x16),
        clips=THIRTY_TWO_MMACTION2,
        scores=kinetics(75.6, 92.0, ZOO),
    ),
    Preset(
        name="slowfast_r50_8x8",
        family="SlowFast",
        paper=SLOWFAST_PAPER,
        build=slowfast_8x8,
        classes=400,
        clip=thirty_two,
        mini=MINI_SLOWFAST,
        variants=pytorchvideo(slowfast_8x8) | mmaction2(slowfast_8x8),
        clips=THIRTY_TWO_MMACTION2,
        scores=kinetics(77.0, 92.6, ZOO),
    ),
    Preset(
        name="slowfast_r101_8x8",
        family="SlowFast",
        paper=SLOWFAST_PAPER,
        build=slowfast_r101,
        classes=400,
        clip=thirty_two,
        mini=MINI_SLOWFAST,
        variants=pytorchvideo(slowfast_r101),
        scores=kinetics(77.9, 93.2, SLOWFAST_TABLE),
    ),
    Preset(
        name="slowfast_r101_101_8x8",
        family="SlowFast",
        paper=SLOWFAST_PAPER,
        build=slowfast_r101_101,
        classes=400,
        clip=thirty_two,
        mini=MINI_SLOWFAST,
        variants=pytorchvideo(slowfast_r101_101) | mmaction2(partial(slowfast_r101_101, lateral_frames=7)),
        clips=THIRTY_TWO_MMACTION2,
    ),
    Preset(
        name="slowfast_r101_16x8",
        family="SlowFast",
        paper=SLOWFAST_PAPER,
        build=slowfast_r101,
        classes=400,
        clip=sixty_four,
        mini=MINI_SLOWFAST,
        variants=pytorchvideo(slowfast_r101),
        scores=kinetics(78.9, 93.5, SLOWFAST_TABLE),
    ),
    Preset(
        name="slowfast_nl_r50_8x8",
        family="SlowFast with non-local blocks",
        paper=SLOWFAST_PAPER,
        build=partial(slowfast, alpha=4, non_local=FIVE, attend=dot_product),
        classes=400,
        clip=thirty_two,
        mini=MINI_SLOWFAST_NL,
    ),
    Preset(
        name="slowfast_nl_r101_16x8",
        family="SlowFast with non-local blocks",
        paper=SLOWFAST_PAPER,
        build=partial(slowfast_r101, non_local=THREE, attend=dot_product),
        classes=400,
        clip=sixty_four,
        mini=MINI_SLOWFAST_NL,
        scores=kinetics(79.8, 93.9, SLOWFAST_TABLE),
    ),
    Preset(
        name="i3d_stage",
        family="I3D",
        paper=NON_LOCAL_PAPER,
        build=partial(stage, width=16),
        classes=24,
        clip=STAGE,
        mini=MINI_I3D,
    ),
    Preset(
        name="i3d_nl1_stage",
        family="I3D with non-local blocks",
        paper=NON_LOCAL_PAPER,
        build=partial(stage, width=15, non_local=((), (), (1,), ())),
        classes=24,
        clip=STAGE,
        mini=MINI_I3D_NL,
    ),
    Preset(
        name="i3d_nl5_stage",
        family="I3D with non-local blocks",
        paper=NON_LOCAL_PAPER,
        build=partial(stage, width=14, non_local=((), (0, 1), (0, 1, 2), ())),
        classes=24,
        clip=STAGE,
        mini=MINI_I3D_NL,
    ),
    Preset(
        name="i3d_glore_stage",
        family="I3D with GloRe",
        paper=f"{NON_LOCAL_PAPER}; Chen et al., CVPR 2019, arXiv:1811.12814",
        build=partial(stage, width=14, non_local=((), (0,), (0, 1), ()), attend=GloRe),
        classes=24,
        clip=STAGE,
        mini=MINI_I3D_GLORE,
    ),
    Preset(
        name="c2d_frame_stage",
        family="C2D",
        paper=NON_LOCAL_PAPER,
        build=stage_frame,
        classes=24,
        clip=STAGE_FRAME,
        mini=MINI_FRAME,
    ),
    Preset(
        name="slowfast_stage",
        family="SlowFast",
        paper=SLOWFAST_PAPER,
        build=stage_slowfast,
        classes=24,
        clip=STAGE,
        mini=MINI_SLOWFAST,
    ),
)
