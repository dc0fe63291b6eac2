"""FishNet's names of tensors, as its checkpoints (.tar, a plain torch file with a state_dict) hold them."""

from collections.abc import Mapping

from torch import Tensor

from .release import Release, Rules, renamed

# The official stages are numbered through: 0 to 2 tail, 3 bridge, 4 to 6 body, 7 to 9 head; 9 also has the classifier.
BEGINNINGS: Rules = (
    (r"conv(\d)\.0\.", r"encoder.stem.conv\1.conv."),
    (r"conv(\d)\.1\.", r"encoder.stem.conv\1.norm."),
    (r"fish\.fish\.9\.4\.1\.", "head.fc."),
    (r"fish\.fish\.9\.3\.", "encoder.top."),
    (r"fish\.fish\.3\.0\.", "encoder.bridge.narrow."),
    (r"fish\.fish\.3\.1\.", "encoder.bridge.widen."),
    (r"fish\.fish\.3\.2\.", "encoder.bridge.blocks."),
    (r"fish\.fish\.3\.3\.0\.", "encoder.bridge.attention."),
    *((rf"fish\.fish\.{i}\.0\.", f"encoder.tail.{i}.blocks.") for i in range(3)),
    *((rf"fish\.fish\.{4 + i}\.0\.", f"encoder.body.{i}.blocks.") for i in range(3)),
    *((rf"fish\.fish\.{4 + i}\.1\.", f"encoder.body.{i}.transfer.") for i in range(3)),
    *((rf"fish\.fish\.{7 + i}\.0\.", f"encoder.head.{i}.blocks.") for i in range(3)),
    *((rf"fish\.fish\.{7 + i}\.1\.", f"encoder.head.{i}.transfer.") for i in range(3)),
)
ENDS: Rules = (
    (r"(encoder\..+\.\d+)\.bn(\d)\.", r"\1.body.conv\2.norm."),
    (r"(encoder\..+\.\d+)\.conv(\d)\.", r"\1.body.conv\2.conv."),
    (r"(encoder\..+\.shortcut)\.0\.", r"\1.norm."),
    (r"(encoder\..+\.shortcut)\.2\.", r"\1.conv."),
    (r"(encoder\.(bridge\.narrow|top|bridge\.attention))\.0\.", r"\1.norm."),
    (r"(encoder\.(bridge\.narrow|top))\.2\.", r"\1.conv."),
    (r"(encoder\.(bridge\.narrow|top))\.3\.", r"\1.norm2."),
    (r"encoder\.bridge\.attention\.3\.", "encoder.bridge.attention.squeeze."),
    (r"encoder\.bridge\.attention\.5\.", "encoder.bridge.attention.excite."),
)


def translate(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The classifier, a 1 x 1 convolution there, is a linear layer here."""
    ours = renamed(renamed(state, rules=BEGINNINGS), rules=ENDS)
    if (weight := ours.get("head.fc.weight")) is not None and weight.ndim == 4:
        ours["head.fc.weight"] = weight.flatten(1)
    return ours


RELEASES = (Release("FishNet", "FishNet", (r"fish\.fish\.3\.3\.0\.0\.weight$", r"conv1\.0\.weight$"), translate),)
