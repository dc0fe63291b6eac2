"""Octave networks (Chen et al., ICCV 2019): plain networks, octavized at the share of low channels that a name ends in.

    a000, a100, a125, a200, a250, a375, a500, a750   alpha 0, .1, .125, .2, .25, .375, .5, .75
    w075, w1125                                      width multipliers .75 and 1.125

At alpha 0 they are the plain networks. The authors' ResNets of the published scores are pre-activation ones; these
have the parameters and multiply-adds of both. MobileNetV2 has octaves inside of its blocks only. Of ShuffleNet V2 and
SlowFast there are no official octave networks, nor counts.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial

from ..models import (
    FrameModel,
    ImageEncoder,
    MobileNetV1,
    MobileNetV2,
    ResNet,
    ShuffleNetV2,
    SlowFast,
    VideoModel,
    VideoResNet,
)
from ..models.octavize import octave_channels, put_octaves
from ..nn import MeanHead, NonLocal
from .blank import blank
from .inputs import STAGE, TORCHVISION_IMAGE, pyslowfast
from .preset import Build, Mini, Preset, Score
from .slowfast import FIVE, i3d, slowfast_4x16, softmax, stage

OCTAVE = "Chen et al., ICCV 2019, arXiv:1904.05049"
UNPUBLISHED = f"ours, after {OCTAVE}; no official octave network, nor counts"
ALPHAS = {"a000": 0.0, "a125": 0.125, "a250": 0.25, "a500": 0.5, "a750": 0.75}
MOBILE_ALPHAS = ALPHAS | {"a375": 0.375}
GROUPED_ALPHAS = {name: alpha for name, alpha in ALPHAS.items() if name != "a125"}
VIDEO_ALPHAS = {"a100": 0.1, "a200": 0.2}
BETWEEN = (".narrow",)  # MobileNetV2's maps between blocks stay plain
STEM = ("lateral.pool1",)  # as does what comes sideways from the plain stem of SlowFast
README = "README of facebookresearch/OctConv"
CROP = "one centre crop of 224 px"
ABLATION = f"{CROP}, pre-activation network"
SMOOTHED = f"{CROP}, trained with label smoothing"
MIXED = f"{SMOOTHED} and mixup"


def octaved(*, num_classes: int, net: Build, alpha: float, plain: tuple[str, ...] = ()) -> VideoModel:
    """The octave network of a plain one; the maps of modules that a name in `plain` ends stay plain."""
    return put_octaves(net(num_classes=num_classes), _lows(net, alpha, plain))


@cache
def _lows(net: Build, alpha: float, plain: tuple[str, ...]) -> Mapping[str, tuple[int, int]]:
    """How much of each convolution is low, which the number of classes does not change."""
    model = blank(net, classes=1)
    names = [name for name, _ in model.named_modules() if name.endswith(plain)]
    return octave_channels(model, alpha=alpha, plain=names)


frame_mean = partial(FrameModel, head=MeanHead)
deep = partial(ResNet, bottleneck=True)
resnext = partial(deep, groups=32, group_width=4)
DEPTHS = {"26": (2, 2, 2, 2), "50": (3, 4, 6, 3), "101": (3, 4, 23, 3), "152": (3, 8, 36, 3), "200": (3, 24, 36, 3)}

tiny = partial(deep, widths=(4, 6, 6), depths=(1, 1, 1))
tiny_grouped = partial(deep, widths=(4, 8, 8), depths=(1, 1, 1), groups=2, group_width=32)
tiny_v1 = partial(MobileNetV1, width=0.25, stages=((1, 16, 1), (1, 24, 2), (1, 24, 2), (1, 32, 2), (1, 32, 2)))
tiny_v2 = partial(MobileNetV2, width=0.25, stages=((1, 16, 1, 1), (2, 24, 2, 2), (2, 24, 2, 2), (1, 32, 2, 2)), top=8)
tiny_shuffle = partial(ShuffleNetV2, widths=(8, 8, 12), depths=(2, 2, 2), stem=4, top=8)
seen = partial(NonLocal, zero_init=False)  # fresh official blocks are identities, which pass no gradient on
tiny_i3d = partial(VideoResNet, width=4, stem=5, times=((3,), (3, 1), (1,)), zero_init=False, pool2=(2, 2), attend=seen)
tiny_slowfast = partial(
    SlowFast,
    alpha=2,
    width=8,
    fast_ratio=2,
    slow_times=((1,), (3,), (3,)),
    fast_times=((3,), (3,), (3,)),
    zero_init=False,
)


def miniature(net: Build, *, frames: int = 2, plain: tuple[str, ...] = ()) -> Mini:
    return Mini(partial(octaved, net=net, alpha=0.5, plain=plain), frames=frames, side_px=32)


def images(
    name: str,
    family: str,
    encoder: Callable[[], ImageEncoder],
    mini: Mini,
    *,
    alphas: Mapping[str, float] = ALPHAS,
    plain: tuple[str, ...] = (),
    paper: str = OCTAVE,
    scores: Mapping[str, Score] | None = None,
) -> tuple[Preset, ...]:
    """A row for each alpha, with its published score."""
    return tuple(
        Preset(
            name=f"oct_{name}_{ending}",
            family=family,
            paper=paper,
            build=partial(octaved, net=partial(frame_mean, encoder=encoder), alpha=alpha, plain=plain),
            classes=1000,
            clip=TORCHVISION_IMAGE,
            mini=mini,
            mark="h2h",  # at alpha 0 too: a plain file is found to be of the plain network
            scores=(scores[ending],) if scores and ending in scores else (),
        )
        for ending, alpha in alphas.items()
    )


def published(protocol: str, **top1: float) -> dict[str, Score]:
    """Ending of a name -> its score."""
    return {ending: Score("ImageNet", "top-1", value, protocol, README) for ending, value in top1.items()}


def clips(
    name: str,
    family: str,
    net: Build,
    mini: Mini,
    *,
    frames: int,
    stride: int,
    plain: tuple[str, ...] = (),
    paper: str = OCTAVE,
) -> tuple[Preset, ...]:
    """A row for each alpha of the video networks."""
    return tuple(
        Preset(
            name=f"oct_{name}_{ending}",
            family=family,
            paper=paper,
            build=partial(octaved, net=net, alpha=alpha, plain=plain),
            classes=400,
            clip=pyslowfast(frames=frames, stride=stride, side_px=224, short_px=256),
            mini=mini,
            mark="h2h",
        )
        for ending, alpha in VIDEO_ALPHAS.items()
    )


SCORES = {
    "26": published(ABLATION, a000=73.2, a125=75.8, a250=76.1, a500=75.5, a750=74.6),
    "50": published(ABLATION, a000=77.0, a125=78.2, a250=78.0, a500=77.4, a750=76.7),
    "101": published(ABLATION, a000=78.5, a125=79.2, a250=79.2, a500=78.7),
    "152": published(MIXED, a125=81.4),
    "200": published(ABLATION, a000=79.6, a125=80.0, a250=79.8, a500=79.5),
}
RESNEXT50 = published(ABLATION, a000=78.4, a250=78.8, a500=78.4, a750=77.5)
MINI = miniature(partial(frame_mean, encoder=tiny))
MINI_SE = miniature(partial(frame_mean, encoder=partial(tiny, squeeze=4)))
MINI_GROUPED = miniature(partial(frame_mean, encoder=tiny_grouped))
MINI_GROUPED_SE = miniature(partial(frame_mean, encoder=partial(tiny_grouped, squeeze=4)))
MINI_V1 = miniature(partial(frame_mean, encoder=tiny_v1))
MINI_V2 = miniature(partial(frame_mean, encoder=tiny_v2), plain=BETWEEN)
MINI_SHUFFLE = miniature(partial(frame_mean, encoder=tiny_shuffle))
MINI_I3D = miniature(tiny_i3d, frames=4)
MINI_I3D_NL = miniature(partial(tiny_i3d, non_local=((), (0,), ())), frames=4)
MINI_SLOWFAST = miniature(tiny_slowfast, frames=4, plain=STEM)

# Asked for by name, they are told why they cannot be.
IMPOSSIBLE = {
    f"oct_{name}_a125": "its first stage would have 16 channels of low frequency in 32 groups; "
    f"take oct_{name}_a250, or a000, a500 or a750"
    for name in ("resnext50", "resnext101", "se_resnext50", "se_resnext101")
}
OCTAVES = (
    *(
        row
        for depth, blocks in DEPTHS.items()
        for row in images(f"resnet{depth}", "Oct-ResNet", partial(deep, depths=blocks), MINI, scores=SCORES[depth])
    ),
    *(
        row
        for depth, blocks in DEPTHS.items()
        for row in images(
            f"se_resnet{depth}",
            "Oct-SE-ResNet",
            partial(deep, depths=blocks, squeeze=16),
            MINI_SE,
            scores=published(MIXED, a125=81.6) if depth == "152" else None,
        )
    ),
    *(
        row
        for depth, squeeze in (("50", None), ("101", None), ("50", 16), ("101", 16))
        for row in images(
            f"{'se_' if squeeze else ''}resnext{depth}",
            f"Oct-{'SE-' if squeeze else ''}ResNeXt",
            partial(resnext, depths=DEPTHS[depth], squeeze=squeeze),
            MINI_GROUPED_SE if squeeze else MINI_GROUPED,
            alphas=GROUPED_ALPHAS,
            scores=RESNEXT50 if depth == "50" and not squeeze else None,
        )
    ),
    *images(
        "mobilenet_v1", "Oct-MobileNet", MobileNetV1, MINI_V1, alphas=MOBILE_ALPHAS, scores=published(CROP, a500=72.4)
    ),
    *images(
        "mobilenet_v1_w075",
        "Oct-MobileNet",
        partial(MobileNetV1, width=0.75),
        MINI_V1,
        alphas={"a375": 0.375},
        scores=published(CROP, a375=70.6),
    ),
    *images(
        "mobilenet_v2",
        "Oct-MobileNetV2",
        MobileNetV2,
        MINI_V2,
        alphas=MOBILE_ALPHAS,
        plain=BETWEEN,
        scores=published(SMOOTHED, a375=72.0),
    ),
    *images(
        "mobilenet_v2_w1125",
        "Oct-MobileNetV2",
        partial(MobileNetV2, width=1.125),
        MINI_V2,
        alphas={"a500": 0.5},
        plain=BETWEEN,
        scores=published(SMOOTHED, a500=73.0),
    ),
    *images("shufflenet_v2", "Oct-ShuffleNetV2", ShuffleNetV2, MINI_SHUFFLE, paper=UNPUBLISHED),
    *clips("i3d_r50", "Oct-I3D", i3d, MINI_I3D, frames=8, stride=8),
    *clips(
        "i3d_nl_r50",
        "Oct-I3D with non-local blocks",
        partial(i3d, non_local=FIVE, attend=softmax),
        MINI_I3D_NL,
        frames=8,
        stride=8,
    ),
    *clips(
        "slowfast_r50",
        "Oct-SlowFast",
        slowfast_4x16,
        MINI_SLOWFAST,
        frames=32,
        stride=2,
        plain=STEM,
        paper=UNPUBLISHED,
    ),
    Preset(
        name="oct_i3d_stage",
        family="Oct-I3D",
        paper=OCTAVE,
        build=partial(octaved, net=partial(stage, width=17), alpha=0.25),  # of the cost of i3d_stage, nearly
        classes=24,
        clip=STAGE,
        mini=MINI_I3D,
        mark="h2h",
    ),
)
