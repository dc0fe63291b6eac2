"""Names of the tensors of SPyNet, in the form that DVC has it: arrays of numpy, and DVC's own state dict.

Arrays: modelL1_F-1-weight to modelL6_F-5-bias, where L1 is the coarsest of up to 6 levels; DVC takes the first 4, and
so do we. State dict: opticFlow.moduleBasic.0.conv1.weight, or without its first part; what else DVC's file holds (the
codec) is left behind.
"""

import re
from collections.abc import Mapping

from torch import Tensor

from .release import Release

LEVELS = 4
ARRAY = r"modelL(\d)_F-(\d)-(weight|bias)$"
STATE = r"(?:opticFlow\.)?moduleBasic\.(\d)\.conv(\d)\.(weight|bias)$"


def from_arrays(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return _levels(state, pattern=ARRAY, first=1)


def from_dvc(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return _levels(state, pattern=STATE, first=0)


def _levels(state: Mapping[str, Tensor], *, pattern: str, first: int) -> dict[str, Tensor]:
    """The tensors of the levels that DVC takes; the coarsest is number `first` there and 0 here."""
    ours = {}
    for name, x in state.items():
        if (found := re.match(pattern, name)) and int(found[1]) - first < LEVELS:
            ours[f"levels.{int(found[1]) - first}.conv{found[2]}.{found[3]}"] = x
    return ours


RELEASES = (
    Release("SPyNet", "optical flow, as arrays", (r"modelL1_F-1-weight$", r"modelL1_F-5-bias$"), from_arrays),
    Release("DVC", "optical flow", (r"(opticFlow\.)?moduleBasic\.0\.conv1\.weight$",), from_dvc),
)
