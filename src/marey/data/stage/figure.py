"""What an actor looks like, and the solids that clothe a skeleton."""

import colorsys
from dataclasses import dataclass

import numpy as np

from .body import JOINT
from .solids import Colour, Solid, tint

_SKINS: tuple[Colour, ...] = (
    *((250, 222, 200), (238, 198, 168), (222, 172, 134), (190, 134, 96), (148, 98, 66), (104, 68, 48)),
)
_HAIRS: tuple[Colour, ...] = ((38, 30, 28), (74, 48, 32), (128, 84, 44), (196, 152, 84), (150, 66, 34), (150, 150, 152))


@dataclass(frozen=True)
class Actor:
    """One person of the cast: build, colours and clothes, and how they move."""

    name: str
    height: float
    girth: float
    skin: Colour
    hair: Colour
    shirt: Colour
    legwear: Colour
    shoes: Colour
    hair_style: str
    skirt: bool
    long_sleeves: bool
    shorts: bool
    striped: bool
    trim: Colour
    tempo: float
    left_handed: bool


def _vivid(rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]) -> Colour:
    r, g, b = colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value))
    return int(255 * r), int(255 * g), int(255 * b)


def cast(index: int, seed: int) -> Actor:
    """Actor number `index` of the cast of `seed`."""
    rng = np.random.default_rng([seed, 1, index])
    skirt = rng.random() < 0.25
    return Actor(
        name=f"actor{index:02d}",
        height=rng.uniform(0.92, 1.06),
        girth=rng.uniform(0.88, 1.2),
        skin=_SKINS[(5 * index + seed) % len(_SKINS)],
        hair=_HAIRS[(index * 7 // 3 + seed) % len(_HAIRS)],
        shirt=_vivid(rng, (0.45, 0.9), (0.55, 0.95)),
        legwear=_vivid(rng, (0.15, 0.6), (0.22, 0.6)),
        shoes=_vivid(rng, (0.0, 0.6), (0.12, 0.5)),
        hair_style=("short", "short", "bob", "tail")[rng.integers(4)]
        if not skirt
        else ("bob", "tail")[rng.integers(2)],
        skirt=skirt,
        long_sleeves=rng.random() < 0.5,
        shorts=not skirt and rng.random() < 0.2,
        striped=rng.random() < 0.35,
        trim=_vivid(rng, (0.0, 0.3), (0.8, 1.0)),
        tempo=rng.uniform(0.9, 1.1),
        left_handed=rng.random() < 0.5,
    )


def clothe(actor: Actor, body: np.ndarray, owner: str, *, detail: bool = True) -> list[Solid]:
    """Solids of a figure whose joints are `body` (t, joints, 3); without `detail` face and stripes are left out."""
    girth = actor.girth
    solids: list[Solid] = []

    def part(name: str, balls: dict[str, float], colour: Colour, bias: float = 0.0, shaded: bool = True) -> None:
        points = body[:, [JOINT[joint] for joint in balls]]
        solids.append(Solid(points, tuple(balls.values()), colour, name, owner, shaded and detail, bias))

    sleeve, leg = (actor.shirt if actor.long_sleeves else actor.skin), actor.legwear
    shin = actor.skin if actor.skirt or actor.shorts else leg
    under = 0.06 if actor.skirt else 0.0
    for s in ("l", "r"):
        part(
            f"thigh_{s}",
            {f"hip_{s}": 0.058 * girth, f"knee_{s}": 0.041 * girth},
            actor.skin if actor.skirt else leg,
            under,
        )
        part(f"shank_{s}", {f"knee_{s}": 0.040 * girth, f"ankle_{s}": 0.024 * girth}, shin, -0.002)
        part(f"foot_{s}", {f"heel_{s}": 0.022, f"ankle_{s}": 0.022, f"toe_{s}": 0.018}, actor.shoes, -0.004)
        part(f"upper_arm_{s}", {f"shoulder_{s}": 0.038 * girth, f"elbow_{s}": 0.029 * girth}, actor.shirt, -0.03)
        part(f"forearm_{s}", {f"elbow_{s}": 0.028 * girth, f"wrist_{s}": 0.020 * girth}, sleeve, -0.035)
        part(f"hand_{s}", {f"wrist_{s}": 0.019, f"hand_{s}": 0.023}, actor.skin, -0.04)
    part("neck", {"neck": 0.030, "head": 0.030}, tint(actor.skin, 0.85), 0.01, shaded=False)
    shoulder = 0.040 * min(girth, 1.1)
    torso = {"shoulder_l": shoulder, "shoulder_r": shoulder, "flank_l": 0.048 * girth, "flank_r": 0.048 * girth}
    part("torso", torso | {"chest": 0.062 * girth}, actor.shirt)
    part("hips", {"hip_l": 0.056 * girth, "hip_r": 0.056 * girth, "waist": 0.060 * girth}, leg, 0.004)
    _head(actor, body, part, solids, owner, detail)
    if actor.skirt:
        knees = body[:, [JOINT["hip_l"], JOINT["hip_r"]]] * 0.25 + body[:, [JOINT["knee_l"], JOINT["knee_r"]]] * 0.75
        points = np.concatenate([body[:, [JOINT["hip_l"], JOINT["hip_r"], JOINT["waist"]]], knees], 1)
        solids.append(
            Solid(
                points,
                (0.058 * girth,) * 2 + (0.035 * girth,) + (0.066 * girth,) * 2,
                leg,
                "skirt",
                owner,
                detail,
                -0.01,
            )
        )
    if actor.striped and detail:
        for low in (0.25, 0.6):
            ends = [
                body[:, JOINT[f"flank_{s}"]] * (1 - low) + body[:, JOINT[f"shoulder_{s}"]] * low for s in ("l", "r")
            ]
            points = np.stack(ends, 1)
            solids.append(Solid(points, (0.012 * girth,) * 2, actor.trim, "stripe", owner, False, -0.012))
    return solids


def _head(actor: Actor, body: np.ndarray, part, solids: list[Solid], owner: str, detail: bool) -> None:
    """Hair behind, face before it; the drawing order by depth turns that into front, side and back views."""
    part("hair", {"crown": 0.066, "nape": 0.034}, actor.hair, -0.006)
    part("face", {"head": 0.050, "chin": 0.036, "nose": 0.006}, actor.skin, -0.012)
    if actor.hair_style != "short":
        nape, neck = body[:, JOINT["nape"]], body[:, JOINT["neck"]]
        fall = (
            nape + (neck - nape) * (1.0 if actor.hair_style == "bob" else 1.2) + (nape - body[:, JOINT["head"]]) * 0.6
        )
        width = 0.046 if actor.hair_style == "bob" else 0.024
        solids.append(Solid(np.stack([nape, fall], 1), (width, width * 0.8), actor.hair, "hair", owner, detail, 0.004))
    if detail:
        for s in ("l", "r"):
            part(f"eye_{s}", {f"eye_{s}": 0.004}, tint(actor.skin, 0.3), -0.016, shaded=False)
