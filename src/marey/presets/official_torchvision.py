"""torchvision's names of tensors, as its ResNet and video ResNet checkpoints (.pth, a plain state dict) hold them."""

import re
from collections.abc import Mapping

from torch import Tensor

from ..errors import CheckpointError

Rules = tuple[tuple[str, str], ...]  # the first pattern that matches a name's beginning is replaced

IMAGE: Rules = (
    (r"conv1\.", "encoder.stem.conv."),
    (r"bn1\.", "encoder.stem.norm."),
    (r"layer(\d)\.(\d+)\.conv(\d)\.", r"encoder.stages.stage\1.\2.body.conv\3.conv."),
    (r"layer(\d)\.(\d+)\.bn(\d)\.", r"encoder.stages.stage\1.\2.body.conv\3.norm."),
    (r"layer(\d)\.(\d+)\.downsample\.0\.", r"encoder.stages.stage\1.\2.shortcut.conv."),
    (r"layer(\d)\.(\d+)\.downsample\.1\.", r"encoder.stages.stage\1.\2.shortcut.norm."),
    (r"fc\.", "head.fc."),
)
VIDEO: Rules = (
    (r"stem\.0\.", "stem.conv."),
    (r"stem\.1\.", "stem.norm."),
    (r"layer(\d)\.(\d+)\.conv(\d)\.0\.", r"stages.stage\1.\2.body.conv\3.conv."),
    (r"layer(\d)\.(\d+)\.conv(\d)\.1\.", r"stages.stage\1.\2.body.conv\3.norm."),
    (r"layer(\d)\.(\d+)\.downsample\.0\.", r"stages.stage\1.\2.shortcut.conv."),
    (r"layer(\d)\.(\d+)\.downsample\.1\.", r"stages.stage\1.\2.shortcut.norm."),
    (r"fc\.", "fc."),
)
SPACE_THEN_TIME: Rules = (
    (r"stem\.0\.", "stem.conv.space."),
    (r"stem\.1\.", "stem.conv.norm."),
    (r"stem\.3\.", "stem.conv.time."),
    (r"stem\.4\.", "stem.norm."),
    (r"layer(\d)\.(\d+)\.conv(\d)\.0\.0\.", r"stages.stage\1.\2.body.conv\3.conv.space."),
    (r"layer(\d)\.(\d+)\.conv(\d)\.0\.1\.", r"stages.stage\1.\2.body.conv\3.conv.norm."),
    (r"layer(\d)\.(\d+)\.conv(\d)\.0\.3\.", r"stages.stage\1.\2.body.conv\3.conv.time."),
    *VIDEO[3:],
)


def torchvision_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a torchvision ResNet, R3D, MC3 or R(2+1)D under our names.

    Which of them it is shows in the names. Raises CheckpointError, naming the first tensor that none of them has.
    """
    rules = IMAGE if "conv1.weight" in state else SPACE_THEN_TIME if "stem.3.weight" in state else VIDEO
    return {_renamed(key, rules): tensor for key, tensor in state.items()}


def _renamed(key: str, rules: Rules) -> str:
    for pattern, ours in rules:
        name, found = re.subn(f"^{pattern}", ours, key)
        if found:
            return name
    raise CheckpointError(
        f"{key!r} is no tensor of torchvision's resnet, r3d_18, mc3_18 or r2plus1d_18; "
        "give the state dict of one of these"
    )
