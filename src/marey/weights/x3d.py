"""Names of X3D's tensors in PySlowFast and in pytorchvideo, both with files {"model_state": ...} (.pyth).

The two networks are the same but for one normalization (48 parameters), which the preset's variant leaves out.
In pytorchvideo the stem's convolution over space is called conv_t and that over time conv_xy; their shapes tell.
"""

from collections.abc import Mapping
from functools import partial

from torch import Tensor

from .release import Release, Rules, renamed

# Block 3 of our stage 1 is s2.pathway0_res3 to PySlowFast, and blocks.1.res_blocks.3 to pytorchvideo.
PYSLOWFAST: Rules = (
    (r"s1\.pathway0_stem\.conv_xy\.", "stem.space."),
    (r"s1\.pathway0_stem\.conv\.", "stem.time."),
    (r"s1\.pathway0_stem\.bn\.", "stem.norm."),
    *((rf"s{i + 1}\.pathway0_res(\d+)\.", rf"stages.stage{i}.\1.") for i in (1, 2, 3, 4)),
    (r"head\.conv_5\.", "head.conv.conv."),
    (r"head\.conv_5_bn\.", "head.conv.norm."),
    (r"head\.lin_5\.", "head.widen."),
    (r"head\.projection\.", "fc."),
)
PYSLOWFAST_BLOCK: Rules = (
    (r"(stages\.\w+\.\d+)\.branch1\.", r"\1.shortcut.conv."),
    (r"(stages\.\w+\.\d+)\.branch1_bn\.", r"\1.shortcut.norm."),
    (r"(stages\.\w+\.\d+)\.branch2\.se\.fc1\.", r"\1.body.conv2.gate.weigh.squeeze."),
    (r"(stages\.\w+\.\d+)\.branch2\.se\.fc2\.", r"\1.body.conv2.gate.weigh.excite."),
    *((rf"(stages\.\w+\.\d+)\.branch2\.{c}\.", rf"\1.body.conv{i + 1}.conv.") for i, c in enumerate("abc")),
    *((rf"(stages\.\w+\.\d+)\.branch2\.{c}_bn\.", rf"\1.body.conv{i + 1}.norm.") for i, c in enumerate("abc")),
)
BLOCK = r"blocks\.([1-4])\.res_blocks\.(\d+)\."
OURS = r"stages.stage\1.\2."
PYTORCHVIDEO: Rules = (
    (r"blocks\.0\.conv\.conv_t\.", "stem.space."),
    (r"blocks\.0\.conv\.conv_xy\.", "stem.time."),
    (r"blocks\.0\.norm\.", "stem.norm."),
    (rf"{BLOCK}branch1_conv\.", f"{OURS}shortcut.conv."),
    (rf"{BLOCK}branch1_norm\.", f"{OURS}shortcut.norm."),
    (rf"{BLOCK}branch2\.conv_a\.", f"{OURS}body.conv1.conv."),
    (rf"{BLOCK}branch2\.norm_a\.", f"{OURS}body.conv1.norm."),
    (rf"{BLOCK}branch2\.conv_b\.", f"{OURS}body.conv2.conv."),
    (rf"{BLOCK}branch2\.norm_b\.0\.", f"{OURS}body.conv2.norm."),
    (rf"{BLOCK}branch2\.norm_b\.1\.block\.0\.", f"{OURS}body.conv2.gate.weigh.squeeze."),
    (rf"{BLOCK}branch2\.norm_b\.1\.block\.2\.", f"{OURS}body.conv2.gate.weigh.excite."),
    (rf"{BLOCK}branch2\.conv_c\.", f"{OURS}body.conv3.conv."),
    (rf"{BLOCK}branch2\.norm_c\.", f"{OURS}body.conv3.norm."),
    (r"blocks\.5\.pool\.pre_conv\.", "head.conv.conv."),
    (r"blocks\.5\.pool\.pre_norm\.", "head.conv.norm."),
    (r"blocks\.5\.pool\.post_conv\.", "head.widen."),
    (r"blocks\.5\.proj\.", "fc."),
)


def from_pyslowfast(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return renamed(renamed(state, rules=PYSLOWFAST), rules=PYSLOWFAST_BLOCK)


RELEASES = (
    Release("PySlowFast", "X3D", (r"s1\.pathway0_stem\.conv_xy\.", r"head\.lin_5\."), from_pyslowfast),
    Release(
        "pytorchvideo",
        "X3D",
        (r"blocks\.0\.conv\.conv_xy\.", r"blocks\.5\.pool\.post_conv\."),
        partial(renamed, rules=PYTORCHVIDEO),
    ),
)
