"""Names of the tensors of Inception I3D and of its image parent.

I3D: pytorch-i3d (.pt, a plain state dict) and kinetics-i3d (TensorFlow, where kernels are (t, h, w, in, out),
normalization has no gain, and a third branch of Mixed_5b has a name of its own; variables may stand in a scope RGB or
Flow, or, in the release of Kinetics-600, in none). Image parent: torchvision's GoogLeNet, whose auxiliary classifiers
are left out. It may be spread over time into I3D, as the paper's ImageNet pretraining was.
TF-slim's own inception_v1 is a checkpoint in TensorFlow's old format, which is not read.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from .release import Release, Rules, renamed

STEM: Rules = (
    (r"Conv3d_1a_7x7\.", "trunk.stem."),
    (r"Conv3d_2b_1x1\.", "trunk.stage2.reduce."),
    (r"Conv3d_2c_3x3\.", "trunk.stage2.conv."),
)
# Mixed_3b is the first mixed block of stage 3 there, mixed_a of it here.
MIXED: Rules = tuple(
    (rf"Mixed_{stage}{letter}\.", f"trunk.stage{stage}.mixed_{'abcde'['bcdef'.index(letter)]}.")
    for stage in (3, 4, 5)
    for letter in "bcdef"
)
PYTORCH_BRANCH: Rules = (
    (r"(trunk\.\w+\.mixed_\w)\.b0\.", r"\1.point."),
    (r"(trunk\.\w+\.mixed_\w)\.b([12])a\.", r"\1.wide\2.reduce."),
    (r"(trunk\.\w+\.mixed_\w)\.b([12])b\.", r"\1.wide\2.conv."),
    (r"(trunk\.\w+\.mixed_\w)\.b3b\.", r"\1.pooled.conv."),
)
TENSORFLOW_BRANCH: Rules = (
    (r"(trunk\.\w+\.mixed_\w)\.Branch_0\.Conv3d_0a_1x1\.", r"\1.point."),
    (r"(trunk\.\w+\.mixed_\w)\.Branch_([12])\.Conv3d_0a_1x1\.", r"\1.wide\2.reduce."),
    (r"(trunk\.\w+\.mixed_\w)\.Branch_([12])\.Conv3d_0[ab]_3x3\.", r"\1.wide\2.conv."),
    (r"(trunk\.\w+\.mixed_\w)\.Branch_3\.Conv3d_0b_1x1\.", r"\1.pooled.conv."),
)
PYTORCH_LAYER: Rules = (
    (r"(trunk\..+)\.conv3d\.", r"\1.conv."),
    (r"(trunk\..+)\.bn\.", r"\1.norm."),
    (r"logits\.conv3d\.", "fc."),
)
TENSORFLOW_LAYER: Rules = (
    (r"(trunk\..+)\.conv_3d\.w$", r"\1.conv.weight"),
    (r"(trunk\..+)\.batch_norm\.beta$", r"\1.norm.bias"),
    (r"(trunk\..+)\.batch_norm\.moving_mean$", r"\1.norm.running_mean"),
    (r"(trunk\..+)\.batch_norm\.moving_variance$", r"\1.norm.running_var"),
    (r"Logits\.Conv3d_0c_1x1\.conv_3d\.w$", "fc.weight"),
    (r"Logits\.Conv3d_0c_1x1\.conv_3d\.b$", "fc.bias"),
)
SCOPE = r"(?:(?:RGB|Flow)/)?(?:inception_i3d/)?"
GOOGLENET: Rules = (
    (r"conv1\.", "trunk.stem."),
    (r"conv2\.", "trunk.stage2.reduce."),
    (r"conv3\.", "trunk.stage2.conv."),
    (r"inception(\d)(\w)\.branch1\.", r"trunk.stage\1.mixed_\2.point."),
    *(
        (rf"inception(\d)(\w)\.branch{i + 1}\.{j}\.", rf"trunk.stage\1.mixed_\2.wide{i}.{part}.")
        for i in (1, 2)
        for j, part in enumerate(("reduce", "conv"))
    ),
    (r"inception(\d)(\w)\.branch4\.1\.", r"trunk.stage\1.mixed_\2.pooled.conv."),
)
GOOGLENET_LAYER: Rules = ((r"(trunk\..+)\.bn\.", r"\1.norm."),)


def from_pytorch_i3d(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    ours: Mapping[str, Tensor] = state
    for rules in (STEM + MIXED, PYTORCH_BRANCH, PYTORCH_LAYER):
        ours = renamed(ours, rules=rules)
    return {name: flat_head(name, x) for name, x in ours.items()}


def from_kinetics_i3d(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Kernels to (out, in, t, h, w), statistics to vectors, and gains of 1."""
    ours = {re.sub(f"^{SCOPE}", "", name).replace("/", "."): x for name, x in state.items()}
    for rules in (STEM + MIXED, TENSORFLOW_BRANCH, TENSORFLOW_LAYER):
        ours = renamed(ours, rules=rules)
    for name, x in list(ours.items()):
        if name.endswith(".weight") and x.ndim == 5:
            ours[name] = flat_head(name, x.permute(4, 3, 0, 1, 2).contiguous())
        elif ".norm." in name:
            ours[name] = x.flatten()
        if name.endswith(".norm.running_var"):
            ours[name.replace("running_var", "weight")] = torch.ones(x.numel(), dtype=x.dtype)
    return ours


def flat_head(name: str, x: Tensor) -> Tensor:
    """The classifier, a 1 x 1 x 1 convolution there, is a linear layer here."""
    return x.flatten(1) if name == "fc.weight" else x


def from_googlenet(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """To the network of images."""
    ours = _trunk(state)
    return {
        name.replace("fc.", "head.fc.") if name.startswith("fc.") else f"encoder.{name}": ours[name] for name in ours
    }


def from_googlenet_inflated(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """To I3D."""
    return _trunk(state)


def _trunk(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    main = {name: x for name, x in state.items() if not name.startswith(("aux1.", "aux2."))}
    return renamed(renamed(main, rules=GOOGLENET), rules=GOOGLENET_LAYER)


GOOGLENET_MARKS = (r"conv1\.conv\.weight$", r"inception3a\.branch1\.conv\.weight$")
RELEASES = (
    Release(
        "pytorch-i3d",
        "Inception I3D",
        (r"Conv3d_1a_7x7\.conv3d\.weight$", r"Mixed_5c\.b0\."),
        from_pytorch_i3d,
    ),
    Release(
        "kinetics-i3d",
        "Inception I3D",
        (rf"{SCOPE}Conv3d_1a_7x7/conv_3d/w$", rf"{SCOPE}Mixed_5c/Branch_0/"),
        from_kinetics_i3d,
    ),
    Release("torchvision", "GoogLeNet", GOOGLENET_MARKS, from_googlenet),
    Release("torchvision", "GoogLeNet, for I3D", GOOGLENET_MARKS, from_googlenet_inflated, inflates=True),
)
