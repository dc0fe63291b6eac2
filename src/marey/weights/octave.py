"""Names of tensors in d-li14's octave networks (a third party's, .pth, a plain state dict).

Their normalizations are one for each frequency; here one has the numbers of all channels, the low ones last.
"""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from .release import Release, Rules, renamed

RESNET: Rules = (
    (r"conv1\.", "encoder.stem.conv."),
    (r"bn1\.", "encoder.stem.norm."),
    (r"layer(\d)\.(\d+)\.conv(\d)\.conv\.conv_", r"encoder.stages.stage\1.\2.body.conv\3.conv."),
    (r"layer(\d)\.(\d+)\.conv(\d)\.bn_h\.", r"encoder.stages.stage\1.\2.body.conv\3.norm."),
    (r"layer(\d)\.(\d+)\.downsample\.0\.conv\.conv_", r"encoder.stages.stage\1.\2.shortcut.conv."),
    (r"layer(\d)\.(\d+)\.downsample\.0\.bn_h\.", r"encoder.stages.stage\1.\2.shortcut.norm."),
    (r"fc\.", "head.fc."),
)
# Their blocks are numbered through; ours are those of stages of one size.
BLOCKS = [f"stage{i}.{j}" for i, depth in enumerate((1, 2, 2, 6, 2), start=1) for j in range(depth)]
MOBILENET: Rules = (
    (r"features\.0\.0\.", "encoder.stem.conv."),
    (r"features\.0\.1\.", "encoder.stem.norm."),
    *(
        (rf"features\.{i}\.{part}\.{theirs}", f"encoder.stages.{block}.{ours}")
        for i, block in enumerate(BLOCKS, start=1)
        for part, name in enumerate(("depthwise", "pointwise"))
        for theirs, ours in ((r"conv\.conv_", f"{name}.conv."), (r"bn_h\.", f"{name}.norm."))
    ),
    (r"fc\.", "head.fc."),
)


def translate(state: Mapping[str, Tensor], *, rules: Rules) -> dict[str, Tensor]:
    """Numbers of high and low channels in one; the counter of batches that both have is that of the high ones."""
    whole = {}
    for name, tensor in state.items():
        if ".bn_l." in name and name.replace(".bn_l.", ".bn_h.") in state:
            continue
        low = state.get(name.replace(".bn_h.", ".bn_l.")) if ".bn_h." in name else None
        whole[name] = tensor if low is None or not tensor.ndim else torch.cat([tensor, low])
    return renamed(whole, rules=rules)


RELEASES = (
    Release(
        "d-li14's OctConv",
        "octave ResNets",
        (r"conv1\.weight$", r"layer1\.0\.conv1\.conv\.conv_h2h\.weight$"),
        partial(translate, rules=RESNET),
    ),
    Release(
        "d-li14's OctConv",
        "octave MobileNet",
        (r"features\.0\.0\.weight$", r"features\.1\.0\.conv\.conv_h2h\.weight$"),
        partial(translate, rules=MOBILENET),
    ),
)
