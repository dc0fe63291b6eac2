"""What a mirrored clip shows: left and right change places, and some classes must not be mirrored at all."""

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

_SIDES = {"left": "right", "right": "left"}


def mirror_columns(
    labels: Sequence[str], mirror: Mapping[str, str]
) -> tuple[Callable[[Float[Tensor, "b classes"]], Bool[Tensor, " b"]], Int[Tensor, " classes"]]:
    """(targets -> may this clip be mirrored, the column that each class becomes when it is).

    A class whose mirror image is another class takes that one's place: by `mirror`, or where the names differ in left
    and right alone. A class named left or right without a partner vetoes mirroring.
    """
    place = {label: number for number, label in enumerate(labels)}
    partner = {**sided_pairs(labels), **mirror}
    becomes = [place.get(partner.get(label, label), number) for number, label in enumerate(labels)]
    veto = torch.tensor(
        [
            becomes[number] == number and not _SIDES.keys().isdisjoint(_words(label))
            for number, label in enumerate(labels)
        ]
    )
    return lambda targets: ~(targets.bool() & veto).any(1), torch.tensor(becomes)


def sided_pairs(labels: Sequence[str]) -> dict[str, str]:
    """Classes that are each other's mirror image by name: "turn left" and "turn right"."""
    known = {_words(label): label for label in labels}
    swapped = {label: tuple(_SIDES.get(word, word) for word in _words(label)) for label in labels}
    return {label: known[words] for label, words in swapped.items() if words != _words(label) and words in known}


def _words(label: str) -> tuple[str, ...]:
    return tuple(label.lower().replace("_", " ").replace("-", " ").split())
