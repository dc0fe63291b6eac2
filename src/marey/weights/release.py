"""A release: whose checkpoint a file is, told from its names of tensors, and what its tensors are called here."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from torch import Tensor

Heads = Mapping[str, int]  # name -> how many classes, in the order of the logits
Rules = tuple[tuple[str, str], ...]  # (pattern, replacement): the first pattern that matches a name's beginning acts


@dataclass(frozen=True)
class Release:
    """One way of naming the tensors of one family of networks.

    name       as a person calls the source, as in "PySlowFast"
    holds      what its files hold, as in "C2D, I3D, Slow and SlowFast"
    marks      patterns; in a file of this release each of them is found at the beginning of some name
    translate  the file's tensors under our names; a name that it does not know stays as it is, and is refused later
    inflates   whether it holds a network of images whose kernels may be spread over time (Carreira and Zisserman,
               CVPR 2017: repeated, divided by their number)
    left       pattern of the names of other networks in the same file, of sound, say, which stay behind
    heads      tells from a file's tensors the heads of its classifier, where it has more than one
    """

    name: str
    holds: str
    marks: tuple[str, ...]
    translate: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
    inflates: bool = False
    left: str | None = None
    heads: Callable[[Mapping[str, Tensor]], Heads] | None = None

    def fits(self, names: Collection[str]) -> bool:
        return all(any(re.match(mark, name) for name in names) for mark in self.marks)


def renamed(state: Mapping[str, Tensor], *, rules: Rules) -> dict[str, Tensor]:
    """Every tensor under the name that the first matching rule gives it, or under its own."""
    return {_new_name(name, rules): tensor for name, tensor in state.items()}


def _new_name(name: str, rules: Rules) -> str:
    for pattern, ours in rules:
        new, found = re.subn(f"^{pattern}", ours, name)
        if found:
            return new
    return name
