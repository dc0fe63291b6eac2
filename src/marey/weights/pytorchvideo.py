"""pytorchvideo's names of the tensors of C2D, I3D, Slow and SlowFast, whose files .pyth hold {"model_state": ...}.

The stages are numbered as they run, and a pooling between res2 and res3, which C2D and I3D have, counts as one.
"""

from collections.abc import Mapping

from torch import Tensor

from .release import Release, Rules, renamed

BLOCK: Rules = (
    (r"(.*\.block\d+)\.branch1_conv\.", r"\1.shortcut.conv."),
    (r"(.*\.block\d+)\.branch1_norm\.", r"\1.shortcut.norm."),
    *((rf"(.*\.block\d+)\.branch2\.conv_{c}\.", rf"\1.body.conv{i + 1}.conv.") for i, c in enumerate("abc")),
    *((rf"(.*\.block\d+)\.branch2\.norm_{c}\.", rf"\1.body.conv{i + 1}.norm.") for i, c in enumerate("abc")),
)


def one_pathway(stages: tuple[int, ...]) -> Rules:
    """The rules where res2, res3, ... have these numbers and the classifier the next."""
    return (
        (r"blocks\.0\.conv\.", "net.conv1.conv."),
        (r"blocks\.0\.norm\.", "net.conv1.norm."),
        *((rf"blocks\.{n}\.res_blocks\.(\d+)\.", rf"net.res{i + 2}.block\1.") for i, n in enumerate(stages)),
        (rf"blocks\.{stages[-1] + 1}\.proj\.", "fc."),
    )


TWO_PATHWAYS: Rules = (
    (r"blocks\.0\.multipathway_blocks\.0\.", "slow.conv1."),
    (r"blocks\.0\.multipathway_blocks\.1\.", "fast.conv1."),
    (r"blocks\.0\.multipathway_fusion\.conv_fast_to_slow\.", "lateral.pool1.conv."),
    (r"blocks\.0\.multipathway_fusion\.norm\.", "lateral.pool1.norm."),
    *(
        (rf"blocks\.{n}\.multipathway_blocks\.0\.res_blocks\.(\d+)\.", rf"slow.res{n + 1}.block\1.")
        for n in range(1, 5)
    ),
    *(
        (rf"blocks\.{n}\.multipathway_blocks\.1\.res_blocks\.(\d+)\.", rf"fast.res{n + 1}.block\1.")
        for n in range(1, 5)
    ),
    *((rf"blocks\.{n}\.multipathway_fusion\.conv_fast_to_slow\.", f"lateral.res{n + 1}.conv.") for n in range(1, 4)),
    *((rf"blocks\.{n}\.multipathway_fusion\.norm\.", f"lateral.res{n + 1}.norm.") for n in range(1, 4)),
    (r"blocks\.6\.proj\.", "fc."),
)


def from_slowfast(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return renamed(renamed(state, rules=TWO_PATHWAYS), rules=BLOCK)


def from_one_pathway(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    pooled = not any(name.startswith("blocks.2.") for name in state)
    return renamed(renamed(state, rules=one_pathway((1, 3, 4, 5) if pooled else (1, 2, 3, 4))), rules=BLOCK)


RELEASES = (
    Release(
        "pytorchvideo",
        "SlowFast",
        (r"blocks\.0\.multipathway_fusion\.", r"blocks\.1\.multipathway_blocks\.0\.res_blocks\."),
        from_slowfast,
    ),
    Release(
        "pytorchvideo",
        "C2D, I3D and Slow",
        (r"blocks\.0\.conv\.weight$", r"blocks\.1\.res_blocks\.0\.branch2\.conv_a\.weight$"),
        from_one_pathway,
    ),
)
