"""torchvision's names of tensors, as its ResNet and video ResNet checkpoints (.pth, a plain state dict) hold them."""

from functools import partial

from .release import Release, Rules, renamed

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

RELEASES = (
    Release(
        "torchvision",
        "ResNet of images",
        (r"conv1\.weight$", r"layer1\.0\.conv1\.weight$"),
        partial(renamed, rules=IMAGE),
    ),
    Release(
        "torchvision",
        "R3D, MC3",
        (r"stem\.0\.weight$", r"layer1\.0\.conv1\.0\.weight$"),
        partial(renamed, rules=VIDEO),
    ),
    Release(
        "torchvision",
        "R(2+1)D",
        (r"stem\.3\.weight$", r"layer1\.0\.conv1\.0\.3\.weight$"),
        partial(renamed, rules=SPACE_THEN_TIME),
    ),
)
