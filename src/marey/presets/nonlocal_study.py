"""The networks that the non-local paper compares, in the layout of its table 1 (Wang et al., CVPR 2018, 1711.07971).

Clips of 32 frames, every second one, 224 px; conv1 and pool1 halve time, pool2 halves it again. A name says the
network, its non-local blocks, their kind, the depth, and frames x stride:

    nl1, nl5, nl10    one block, before the last residual block of res4, or of the stage named; 2 blocks in res3 and 3
                      in res4; one after every residual block of those two
    gaussian, ...     how two positions are compared, where that is not the embedded Gaussian
    space, time       what a position looks at, where that is not both
    unscaled          the softmax of the paper's text; the others divide by the root of the channels, as its code does
    i3d, i3d_3x3x3    every second block (the pattern of the official checkpoints) reaches over 3 frames with its first
                      1 x 1 or with its 3 x 3 kernel; conv1 over 5

The blocks of ResNet-101 are as many, spread over its res4. Clips of 8 frames are not halved before pool2; more such
networks are `c2d_r50_8x8`, `i3d_r50_8x8` and their `nl` kin.
"""

from functools import partial

from ..models import VideoResNet
from ..nn import NonLocal
from .inputs import pyslowfast
from .preset import Build, Mini, Preset, Score
from .slowfast import C2D, I3D, NON_LOCAL_PAPER, R50, R101, REPOSITORY, TESTED, Times, cycled

FAMILY = "non-local study"

halving = partial(VideoResNet, stem_stride=2, pool1=(3, 2), pool2=(3, 2))
c2d_r50 = partial(halving, times=cycled(C2D, R50))
c2d_r101 = partial(halving, times=cycled(C2D, R101))
i3d_r50 = partial(halving, stem=5, times=cycled(I3D, R50))
i3d_r101 = partial(halving, stem=5, times=cycled(I3D, R101))
eight = partial(VideoResNet, pool2=(2, 2))

# Blocks stand after these residual blocks of res2, res3, res4 and res5.
ONE: dict[str, Times] = {
    "res2": ((1,), (), (), ()),
    "res3": ((), (2,), (), ()),
    "res4": ((), (), (4,), ()),
    "res5": ((), (), (), (1,)),
}
FIVE: Times = ((), (1, 3), (1, 3, 5), ())
TEN: Times = ((), (0, 1, 2, 3), (0, 1, 2, 3, 4, 5), ())
ONE_R101: Times = ((), (), (21,), ())
FIVE_R101: Times = ((), (1, 3), (6, 13, 20), ())
TEN_R101: Times = ((), (0, 1, 2, 3), (3, 7, 11, 15, 19, 21), ())

one, five = partial(c2d_r50, non_local=ONE["res4"]), partial(c2d_r50, non_local=FIVE)
by_32 = partial(pyslowfast, fps=None, side_px=224, short_px=256)(frames=32, stride=2)
by_128 = partial(pyslowfast, fps=None, side_px=224, short_px=256)(frames=128, stride=1)
by_8 = partial(pyslowfast, fps=None, side_px=224, short_px=256)(frames=8, stride=8)

NETWORKS: tuple[tuple[str, partial, float | None], ...] = (  # name, build, published top-1 on Kinetics-400
    ("c2d_r50_32x2", c2d_r50, 72.0),
    ("c2d_r101_32x2", c2d_r101, None),
    ("i3d_r50_32x2", i3d_r50, 73.6),
    ("i3d_r101_32x2", i3d_r101, None),
    ("i3d_3x3x3_r50_32x2", partial(i3d_r50, inflate="3x3"), None),
    ("i3d_3x3x3_r101_32x2", partial(i3d_r101, inflate="3x3"), None),
    ("c2d_nl1_r50_32x2", one, None),
    ("c2d_nl5_r50_32x2", five, 73.9),
    ("c2d_nl10_r50_32x2", partial(c2d_r50, non_local=TEN), None),
    ("c2d_nl1_r101_32x2", partial(c2d_r101, non_local=ONE_R101), None),
    ("c2d_nl5_r101_32x2", partial(c2d_r101, non_local=FIVE_R101), None),
    ("c2d_nl10_r101_32x2", partial(c2d_r101, non_local=TEN_R101), None),
    ("c2d_nl1_res2_r50_32x2", partial(c2d_r50, non_local=ONE["res2"]), None),
    ("c2d_nl1_res3_r50_32x2", partial(c2d_r50, non_local=ONE["res3"]), None),
    ("c2d_nl1_res5_r50_32x2", partial(c2d_r50, non_local=ONE["res5"]), None),
    ("c2d_nl5_space_r50_32x2", partial(five, attend=partial(NonLocal, over="space")), None),
    ("c2d_nl5_time_r50_32x2", partial(five, attend=partial(NonLocal, over="time")), None),
    ("c2d_nl1_gaussian_r50_32x2", partial(one, attend=partial(NonLocal, affinity="gaussian")), None),
    ("c2d_nl1_dot_product_r50_32x2", partial(one, attend=partial(NonLocal, affinity="dot_product")), None),
    ("c2d_nl1_concatenation_r50_32x2", partial(one, attend=partial(NonLocal, affinity="concatenation")), None),
    ("c2d_nl1_unscaled_r50_32x2", partial(one, attend=partial(NonLocal, scaled=False)), None),
    ("i3d_nl5_r50_32x2", partial(i3d_r50, non_local=FIVE), 74.9),
    ("i3d_nl5_r101_32x2", partial(i3d_r101, non_local=FIVE_R101), None),
    ("i3d_r50_128x1", i3d_r50, 75.2),
    ("i3d_nl5_r50_128x1", partial(i3d_r50, non_local=FIVE), 76.5),
    ("c2d_nl1_r50_8x8", partial(eight, times=cycled(C2D, R50), non_local=ONE["res4"]), None),
    ("i3d_nl1_r50_8x8", partial(eight, stem=5, times=cycled(I3D, R50), non_local=ONE["res4"]), None),
)
CLIPS = {"32x2": by_32, "128x1": by_128, "8x8": by_8}


def miniature(build: partial) -> Mini:
    """The same arguments on two thin stages, with a block if the network has any, and nothing that begins at zero."""
    given = build.keywords
    blocks = ((0,), ()) if any(given.get("non_local", ())) else ((), ())
    attend = partial(given.get("attend", NonLocal), zero_init=False)
    times = tuple(stage[:2] for stage in given["times"][1:3])
    small: Build = partial(build, width=4, times=times, non_local=blocks, attend=attend, zero_init=False)
    return Mini(small, frames=8, side_px=32)


STUDY = tuple(
    Preset(
        name=name,
        family=FAMILY,
        paper=NON_LOCAL_PAPER,
        build=build,
        classes=400,
        clip=CLIPS[name.rpartition("_")[2]],
        mini=miniature(build),
        scores=() if top1 is None else (Score("Kinetics-400", "top-1", top1, TESTED, REPOSITORY),),
    )
    for name, build, top1 in NETWORKS
)
