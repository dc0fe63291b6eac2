"""Motionformer and its baselines. The numbers of a name are frames and stride."""

from functools import partial

from ..models import Motionformer
from ..nn import Nystrom, Orthoformer
from ..video import ClipSpec
from .inputs import STAGE
from .preset import Build, Mini, Preset, Score

PAPER = "Patrick et al., NeurIPS 2021, arXiv:2106.05392"
REPOSITORY = "the official repository"

half = partial(ClipSpec, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), fps=30.0, resample="bilinear")
BASE = half(frames=16, stride=4, side_px=224, short_px=224)
HIGH = half(frames=16, stride=8, side_px=336, short_px=336)
LONG = half(frames=32, stride=3, side_px=224, short_px=224)

official = partial(Motionformer, drop_path=0.2)
stage = partial(Motionformer, dim=96, depth=4, heads=3, frames=16, side=64)
tiny = partial(Motionformer, dim=12, heads=2, patch=(2, 4), frames=4, side=8)
UNUSED = ("image_patches.weight", "image_patches.bias")  # of the image network that the weights began as


def unused(depth: int) -> tuple[str, ...]:
    """Parameters of trajectories that do not matter: a softmax does not notice a bias of all its keys, the values'
    half is left out, and of the last block's answers only the class token's are read."""
    last = f"blocks.{depth - 1}.attention"
    return (
        *UNUSED,
        *(f"blocks.{i}.attention.proj_kv.bias" for i in range(depth)),
        *(f"{last}.{name}" for name in ("proj_q.weight", "proj_q.bias", "proj_kv.weight")),
    )


def ways(build: partial) -> dict[str, Build]:
    """The paper's values of trajectories, and attention through 128 landmarks."""
    return {
        "paper": partial(build, project_values=True),
        "orthoformer": partial(build, landmarks=Orthoformer),
        "nystrom": partial(build, landmarks=Nystrom),
    }


def scores(source: str, views: str, **top1: float) -> tuple[Score, ...]:
    names = {"k400": "Kinetics-400", "k600": "Kinetics-600", "ssv2": "Something-Something V2"}
    return tuple(Score(names[key], "top-1", value, views, source) for key, value in top1.items())


def kitchens(verb_noun: tuple[float, float], side: int) -> tuple[Score, ...]:
    parts = zip(("action top-1", "noun top-1"), verb_noun, strict=True)
    return tuple(Score("EPIC-Kitchens-100", what, value, f"crops of {side} px", REPOSITORY) for what, value in parts)


MINI = Mini(tiny, frames=4, side_px=8)
MINI_SHALLOW = Mini(partial(tiny, depth=4), frames=4, side_px=8)
MINI_JOINT = Mini(partial(tiny, depth=2, attention="joint"), frames=4, side_px=8)
MINI_DIVIDED = Mini(partial(tiny, depth=2, attention="divided"), frames=4, side_px=8)
VIEWS, HIGH_VIEWS = "10 clips x 3 crops of 224 px", "10 clips x 3 crops of 336 px"
SPREAD, HIGH_SPREAD = (f"1 clip of frames spread over the video x 3 crops of {side} px" for side in (224, 336))

MOTIONFORMER = (
    Preset(
        name="motionformer_b_16x4",
        family="Motionformer",
        paper=PAPER,
        build=official,
        classes=400,
        clip=BASE,
        mini=MINI,
        variants=ways(official),
        dead_keys=unused(12),
        scores=(
            *scores(PAPER, VIEWS, k400=79.7, k600=81.6),
            *scores(REPOSITORY, SPREAD, ssv2=66.5),
            *kitchens((43.1, 56.5), 224),
        ),
    ),
    Preset(
        name="motionformer_hr_16x8",
        family="Motionformer",
        paper=PAPER,
        build=official,
        classes=400,
        clip=HIGH,
        mini=MINI,
        variants=ways(official),
        dead_keys=unused(12),
        scores=(
            *scores(PAPER, HIGH_VIEWS, k400=81.1, k600=82.7),
            *scores(REPOSITORY, HIGH_VIEWS, k400=80.7),
            *scores(REPOSITORY, HIGH_SPREAD, ssv2=67.1),
            *kitchens((44.5, 58.5), 336),
        ),
    ),
    Preset(
        name="motionformer_l_32x3",
        family="Motionformer",
        paper=PAPER,
        build=partial(official, frames=32),
        classes=400,
        clip=LONG,
        mini=MINI,
        variants=ways(partial(official, frames=32)),
        dead_keys=unused(12),
        scores=(
            *scores(PAPER, VIEWS, k400=80.2, k600=82.2),
            *scores(REPOSITORY, SPREAD, ssv2=68.1),
            *kitchens((44.1, 57.6), 224),
        ),
    ),
    Preset(
        name="motionformer_joint_16x4",
        family="ViT, joint space-time attention",
        paper=PAPER,
        build=partial(official, attention="joint"),
        classes=400,
        clip=BASE,
        mini=MINI_JOINT,
        variants={
            "orthoformer": partial(official, attention="joint", landmarks=Orthoformer),
            "nystrom": partial(official, attention="joint", landmarks=Nystrom),
        },
        dead_keys=UNUSED,
        scores=(*scores(REPOSITORY, VIEWS, k400=79.2), *scores(REPOSITORY, SPREAD, ssv2=64.0)),
    ),
    Preset(
        name="motionformer_divided_16x4",
        family="ViT, divided space-time attention",
        paper=PAPER,
        build=partial(official, attention="divided"),
        classes=400,
        clip=BASE,
        mini=MINI_DIVIDED,
        dead_keys=UNUSED,
        scores=(*scores(REPOSITORY, VIEWS, k400=78.5), *scores(REPOSITORY, SPREAD, ssv2=64.2)),
    ),
    Preset(
        name="motionformer_stage",
        family="Motionformer",
        paper=PAPER,
        build=stage,
        classes=24,
        clip=STAGE,
        mini=MINI_SHALLOW,
        dead_keys=unused(4),
    ),
)
