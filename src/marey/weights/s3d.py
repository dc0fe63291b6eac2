"""torchvision's names of S3D's tensors (.pth, a plain state dict)."""

from collections.abc import Mapping

from torch import Tensor

from .release import Release, Rules, renamed

# There, layers and poolings are numbered through.
MIXED = {5: "3.mixed_a", 6: "3.mixed_b", 14: "5.mixed_a", 15: "5.mixed_b"} | {
    8 + i: f"4.mixed_{letter}" for i, letter in enumerate("abcde")
}
PLACES: Rules = (
    (r"features\.0\.", "trunk.stem."),
    (r"features\.2\.", "trunk.stage2.reduce."),
    (r"features\.3\.", "trunk.stage2.conv."),
    *((rf"features\.{number}\.", f"trunk.stage{place}.") for number, place in MIXED.items()),
    (r"classifier\.1\.", "fc."),
)
BRANCHES: Rules = (
    (r"(.+)\.branch0\.", r"\1.point."),
    (r"(.+)\.branch([12])\.0\.", r"\1.wide\2.reduce."),
    (r"(.+)\.branch([12])\.1\.", r"\1.wide\2.conv."),
    (r"(.+)\.branch3\.1\.", r"\1.pooled.conv."),
)
LAYERS: Rules = (
    (r"(trunk\..+)\.0\.0\.", r"\1.space.conv."),
    (r"(trunk\..+)\.0\.1\.", r"\1.space.norm."),
    (r"(trunk\..+)\.1\.0\.", r"\1.time.conv."),
    (r"(trunk\..+)\.1\.1\.", r"\1.time.norm."),
    (r"(trunk\..+)\.0\.", r"\1.conv."),
    (r"(trunk\..+)\.1\.", r"\1.norm."),
)


def translate(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The classifier, a 1 x 1 x 1 convolution there, is a linear layer here."""
    ours: Mapping[str, Tensor] = state
    for rules in (PLACES, BRANCHES, LAYERS):
        ours = renamed(ours, rules=rules)
    return {name: x.flatten(1) if name == "fc.weight" else x for name, x in ours.items()}


RELEASES = (
    Release("torchvision", "S3D", (r"features\.0\.0\.0\.weight$", r"features\.15\.branch3\.1\.0\."), translate),
)
