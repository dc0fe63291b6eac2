"""Names of tensors of facebookresearch/GloRe: 3D networks in .pth files {"state_dict": {"module." + name: ...}}."""

import re
from collections.abc import Mapping

from torch import Tensor

from .release import Release, Rules, renamed

UNIT: Rules = (
    (r"conv_state\.", "to_state."),
    (r"conv_proj\.", "to_nodes."),
    (r"gcn\.conv1\.", "reason."),
    (r"gcn\.conv2\.", "update."),
    (r"conv_extend\.", "extend."),
    (r"blocker\.", "norm."),
)
BLOCK: Rules = (
    (r"conv_m(\d)\.bn\.", r"body.conv\1.norm."),
    (r"conv_m(\d)\.conv\.", r"body.conv\1.conv."),
    (r"conv_w1\.bn\.", "shortcut.norm."),
    (r"conv_w1\.conv\.", "shortcut.conv."),
)
ENDS: Rules = (
    (r"conv1\.conv\.", "stem.conv."),
    (r"conv1\.bn\.", "stem.norm."),
    (r"tail\.bn\.", "final.norm."),
    (r"classifier\.", "fc."),
)


def translate(state: Mapping[str, Tensor], *, block: Rules = BLOCK, unit: Rules = UNIT) -> dict[str, Tensor]:
    """conv2.B01 is the first block of the first stage, conv2.B01_extra the unit after it."""
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        part = re.match(r"conv(\d)\.B(\d+)(_extra)?\.", name)
        if part is None:
            found |= renamed({name: tensor}, rules=ENDS)
            continue
        place = f"stages.stage{int(part[1]) - 1}.{int(part[2]) - 1}{'_unit' if part[3] else ''}."
        inside = renamed({name[part.end() :]: tensor}, rules=unit if part[3] else block)
        found |= {place + rest: tensor for rest in inside}
    return found


RELEASES = (
    Release(
        "GloRe",
        "3D residual networks with global reasoning units",
        (r"conv2\.B01\.conv_m3\.conv\.weight$", r"conv3\.B\d+_extra\.gcn\.conv1\.weight$"),
        translate,
    ),
)
