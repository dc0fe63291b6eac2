"""X3D of four sizes; XS, S and M are one network on more and more of the video."""

from functools import partial

from ..models import X3D
from .inputs import STAGE, pyslowfast
from .preset import Mini, Preset, Score

FEICHTENHOFER = "Feichtenhofer, CVPR 2020, arXiv:2004.04730"
ZOO = "PySlowFast's model zoo"

MINI = Mini(partial(X3D, width=0.5, depth=0.4, head_width=16, zero_init=False), frames=4, side_px=64)


# Per cent of the validation clips right by (10 clips of the centre, 10 clips of three crops).
TOP_1 = {"x3d_xs": (68.7, 69.5), "x3d_s": (73.1, 73.5), "x3d_m": (75.1, 76.2), "x3d_l": (76.9, 77.5)}


def _preset(name: str, *, frames: int, stride: int, side_px: int, depth: float = 2.2) -> Preset:
    """The short side is that of the crop, whose side PySlowFast trains and tests at."""
    build = partial(X3D, depth=depth)
    protocols = (f"10 clips, centre crop of {side_px} px", f"10 clips, 3 crops of {side_px} px")
    return Preset(
        name=name,
        family="X3D",
        paper=FEICHTENHOFER,
        build=build,
        classes=400,
        clip=pyslowfast(frames=frames, stride=stride, side_px=side_px, short_px=side_px),
        mini=MINI,
        variants={"pytorchvideo": partial(build, shortcut_norm=False)},
        scores=tuple(
            Score("Kinetics-400", "top-1", x, how, ZOO) for how, x in zip(protocols, TOP_1[name], strict=True)
        ),
    )


EXPANDED = (
    _preset("x3d_xs", frames=4, stride=12, side_px=160),
    _preset("x3d_s", frames=13, stride=6, side_px=160),
    _preset("x3d_m", frames=16, stride=5, side_px=224),
    _preset("x3d_l", frames=16, stride=5, side_px=312, depth=5.0),
    Preset(
        name="x3d_stage",
        family="X3D",
        paper=FEICHTENHOFER,
        build=partial(X3D, depth=1.0),
        classes=24,
        clip=STAGE,
        mini=MINI,
    ),
)
