"""The class table: what is played, which pair it belongs to, and what tells the pair apart."""

from dataclasses import dataclass
from typing import Literal

Facing = Literal["side", "front", "away", "any"]
Group = Literal["reversed", "tempo", "order", "appearance"]


@dataclass(frozen=True)
class StageClass:
    """One class of the stage.

    moves   names in `moves.py`: a transition, a cycle, or two phrases in the order in which they are played
    play    how: a transition "forward" or "backward", a cycle at its own "pace", "slow" or "fast", phrases "in order"
    rate    cycles per second, where the move is one
    facing  how the figure stands to the camera, up to chance; "away" is from the side and a little from behind
    prop    what else is needed
    travel  body heights covered per cycle by a move that is drawn on the spot
    twin    the class it is confused with when motion is not seen; a single frame does not tell the two apart
    """

    name: str
    group: Group
    moves: tuple[str, ...]
    play: Literal["forward", "backward", "pace", "slow", "fast", "in order"]
    facing: Facing = "any"
    rate: float = 0.0
    prop: str | None = None
    twin: str | None = None
    travel: float = 0.0


FAST = 3.0  # how much faster the fast class of a tempo pair is


def _reversed_pair(first: str, second: str, move: str, facing: Facing, prop: str | None) -> list[StageClass]:
    return [
        StageClass(first, "reversed", (move,), "forward", facing, prop=prop, twin=second),
        StageClass(second, "reversed", (move,), "backward", facing, prop=prop, twin=first),
    ]


def _tempo_pair(slow: str, fast: str, move: str, facing: Facing, rate: float) -> list[StageClass]:
    return [
        StageClass(slow, "tempo", (move,), "slow", facing, rate, twin=fast),
        StageClass(fast, "tempo", (move,), "fast", facing, rate * FAST, twin=slow),
    ]


def _order_pair(names: tuple[str, str], moves: tuple[str, str], facing: Facing) -> list[StageClass]:
    first, second = f"{names[0]} then {names[1]}", f"{names[1]} then {names[0]}"
    return [
        StageClass(first, "order", moves, "in order", facing, twin=second),
        StageClass(second, "order", moves[::-1], "in order", facing, twin=first),
    ]


CLASSES: dict[str, StageClass] = {
    entry.name: entry
    for entry in (
        *_reversed_pair("sit down", "stand up", "sit", "side", "chair"),
        *_reversed_pair("pick up", "put down", "pick", "side", "parcel"),
        *_reversed_pair("open door", "close door", "door", "away", "door"),
        *_reversed_pair("push crate", "pull crate", "push", "side", "crate"),
        *_reversed_pair("climb on box", "climb off box", "climb", "side", "box"),
        *_reversed_pair("put on hat", "take off hat", "hat", "front", "hat"),
        *_reversed_pair("step right", "step left", "sidestep", "front", None),
        *_tempo_pair("stroll", "hurry", "loop", "any", 0.15),
        *_tempo_pair("wave slowly", "wave fast", "wave", "front", 0.75),
        *_tempo_pair("squat slowly", "squat fast", "squat", "side", 0.36),
        *_tempo_pair("clap slowly", "clap fast", "clap", "any", 0.8),
        *_order_pair(("jump", "wave"), ("jump", "greet"), "front"),
        *_order_pair(("bow", "kick"), ("bow", "kick"), "side"),
        *_order_pair(("crouch", "reach up"), ("crouch", "reach"), "any"),
        StageClass("carry umbrella", "appearance", ("umbrella",), "pace", "any", 0.22, "umbrella"),
        StageClass("ride bicycle", "appearance", ("ride",), "pace", "side", 0.6, "bicycle", travel=0.8),
        StageClass("hold ball overhead", "appearance", ("overhead",), "pace", "any", 0.5, "ball"),
        StageClass("sit reading", "appearance", ("read",), "pace", "any", 0.3, "reading chair"),
    )
}

CLASS_GROUPS: dict[str, str] = {name: entry.group for name, entry in CLASSES.items()}

# Left and right are the viewer's, so a mirrored picture shows the twin: horizontal flips must swap these labels.
MIRROR: dict[str, str] = {"step left": "step right", "step right": "step left"}
