"""Names of the tensors of DMC-Net's release (.pth.tar): its generator, and torchvision's ResNet as the classifier."""

from functools import partial

from .release import Release, Rules, renamed

STAGE = r"base_model\.layer(\d)\.(\d+)\."
OURS = r"classifier.encoder.stages.stage\1.\2."
RULES: Rules = (
    (r"gen_flow_model\.conv_(\d)\.0\.", r"generator.layers.layer\1.conv."),
    (r"gen_flow_model\.predict_flow\.", "generator.predict."),
    (r"base_model\.conv1\.", "classifier.encoder.stem.conv."),
    (r"base_model\.bn1\.", "classifier.encoder.stem.norm."),
    (rf"{STAGE}conv(\d)\.", rf"{OURS}body.conv\3.conv."),
    (rf"{STAGE}bn(\d)\.", rf"{OURS}body.conv\3.norm."),
    (rf"{STAGE}downsample\.0\.", f"{OURS}shortcut.conv."),
    (rf"{STAGE}downsample\.1\.", f"{OURS}shortcut.norm."),
    (r"base_model\.fc\.", "classifier.fc."),
)
RELEASES = (
    Release(
        "DMC-Net",
        "generator and ResNet-18",
        (r"gen_flow_model\.conv_0\.0\.weight$", r"base_model\.conv1\.weight$"),
        partial(renamed, rules=RULES),
    ),
)
