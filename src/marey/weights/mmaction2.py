"""mmaction2's names of the tensors of I3D and SlowFast, whose files .pth hold {"state_dict": ...}.

Its networks differ from PySlowFast's: see the presets' variants. Its classifier reads the fast pathway first. A
convolution whose output is pooled is the first of a sequence, g.0; blocks that do not pool, which no release has, would
need another build, so their names stay unknown.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from .release import Release, Rules, renamed


def stages(theirs: str, ours: str) -> Rules:
    """The rules of one pathway."""
    block = rf"{theirs}layer{{}}\.(\d+)\."
    rules = [(rf"{theirs}conv1\.conv\.", f"{ours}conv1.conv."), (rf"{theirs}conv1\.bn\.", f"{ours}conv1.norm.")]
    for n in (1, 2, 3, 4):
        body, shortcut = rf"{ours}res{n + 1}.block\1.body.conv\2.", rf"{ours}res{n + 1}.block\1.shortcut."
        rules += [
            (rf"{block.format(n)}conv(\d)\.conv\.", f"{body}conv."),
            (rf"{block.format(n)}conv(\d)\.bn\.", f"{body}norm."),
            (rf"{block.format(n)}downsample\.conv\.", f"{shortcut}conv."),
            (rf"{block.format(n)}downsample\.bn\.", f"{shortcut}norm."),
        ]
    return tuple(rules)


NON_LOCAL: Rules = tuple(
    (rf"backbone\.layer{n}\.(\d+)\.non_local_block\.{theirs}\.", rf"net.res{n + 1}.non_local\1.{ours}.")
    for n in (1, 2, 3, 4)
    for theirs, ours in (
        (r"theta\.conv", "theta"),
        (r"phi\.0\.conv", "phi"),
        (r"g\.0\.conv", "g"),
        (r"conv_out\.conv", "out"),
        (r"conv_out\.bn", "norm"),
    )
)
HEAD: Rules = ((r"cls_head\.fc_cls\.", "fc."),)
ONE_PATHWAY: Rules = (*stages(r"backbone\.", "net."), *NON_LOCAL, *HEAD)
TWO_PATHWAYS: Rules = (
    (r"backbone\.slow_path\.conv1_lateral\.", "lateral.pool1."),
    *((rf"backbone\.slow_path\.layer{n}_lateral\.", f"lateral.res{n + 1}.") for n in (1, 2, 3)),
    *stages(r"backbone\.slow_path\.", "slow."),
    *stages(r"backbone\.fast_path\.", "fast."),
    *HEAD,
)


def from_one_pathway(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return renamed(state, rules=ONE_PATHWAY)


def from_slowfast(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    ours = renamed(state, rules=TWO_PATHWAYS)
    last = state.get("backbone.fast_path.layer4.0.conv3.conv.weight")
    if last is not None and "fc.weight" in ours:
        fast, slow = ours["fc.weight"].tensor_split([len(last)], dim=1)
        ours["fc.weight"] = torch.cat([slow, fast], 1)
    return ours


RELEASES = (
    Release(
        "mmaction2",
        "SlowFast",
        (r"backbone\.slow_path\.conv1\.conv\.weight$", r"backbone\.fast_path\.conv1\.conv\.weight$"),
        from_slowfast,
    ),
    Release(
        "mmaction2",
        "I3D, with non-local blocks or without, and Slow",
        (r"backbone\.conv1\.conv\.weight$", r"backbone\.layer1\.0\.conv1\.conv\.weight$"),
        from_one_pathway,
    ),
)
