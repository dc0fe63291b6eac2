"""PySlowFast's names of the tensors of C2D, I3D, Slow and SlowFast, in both of its formats.

Files .pyth hold {"model_state": ...}; older files .pkl hold Caffe2 blobs, in which `t_` is the fast pathway and `_riv`,
whatever its letters say, a running variance. ImageNet's ResNets in torchvision's names are inflated into C2D, I3D and
Slow.
"""

from collections.abc import Mapping
from functools import partial

from torch import Tensor

from .release import Release, Rules, renamed

# Of both pathways; what the slow one is called here depends on whether there is a fast one.
PATHWAY: Rules = (
    (r"s1\.(pathway\d)_stem\.conv\.", r"\1.conv1.conv."),
    (r"s1\.(pathway\d)_stem\.bn\.", r"\1.conv1.norm."),
    (r"s1_fuse\.conv_f2s\.", "lateral.pool1.conv."),
    (r"s1_fuse\.bn\.", "lateral.pool1.norm."),
    (r"s(\d)_fuse\.conv_f2s\.", r"lateral.res\1.conv."),
    (r"s(\d)_fuse\.bn\.", r"lateral.res\1.norm."),
    (r"s(\d)\.(pathway\d)_res(\d+)\.branch1\.", r"\2.res\1.block\3.shortcut.conv."),
    (r"s(\d)\.(pathway\d)_res(\d+)\.branch1_bn\.", r"\2.res\1.block\3.shortcut.norm."),
    (r"s(\d)\.(pathway\d)_res(\d+)\.branch2\.a\.", r"\2.res\1.block\3.body.conv1.conv."),
    (r"s(\d)\.(pathway\d)_res(\d+)\.branch2\.b\.", r"\2.res\1.block\3.body.conv2.conv."),
    (r"s(\d)\.(pathway\d)_res(\d+)\.branch2\.c\.", r"\2.res\1.block\3.body.conv3.conv."),
    (r"s(\d)\.(pathway\d)_res(\d+)\.branch2\.a_bn\.", r"\2.res\1.block\3.body.conv1.norm."),
    (r"s(\d)\.(pathway\d)_res(\d+)\.branch2\.b_bn\.", r"\2.res\1.block\3.body.conv2.norm."),
    (r"s(\d)\.(pathway\d)_res(\d+)\.branch2\.c_bn\.", r"\2.res\1.block\3.body.conv3.norm."),
    (r"s(\d)\.(pathway\d)_nonlocal(\d+)\.conv_(theta|phi|g|out)\.", r"\2.res\1.non_local\3.\4."),
    (r"s(\d)\.(pathway\d)_nonlocal(\d+)\.bn\.", r"\2.res\1.non_local\3.norm."),
    (r"head\.projection\.", "fc."),
)
ONE_PATHWAY: Rules = ((r"pathway0\.", "net."),)
TWO_PATHWAYS: Rules = ((r"pathway0\.", "slow."), (r"pathway1\.", "fast."))

# Caffe2's beginnings and endings, to PySlowFast's beginnings and PyTorch's endings. The lateral convolutions are called
# after the blob of the fast pathway that they read, so their rules come before those of that pathway.
BLOBS: Rules = (
    (r"conv1_(?=w$)", "s1.pathway0_stem.conv."),
    (r"res_conv1_bn_", "s1.pathway0_stem.bn."),
    (r"t_pool1_subsample_(?=w$)", "s1_fuse.conv_f2s."),
    (r"t_pool1_subsample_bn_", "s1_fuse.bn."),
    (r"t_res(\d)_\d+_branch2c_bn_subsample_(?=w$)", r"s\1_fuse.conv_f2s."),
    (r"t_res(\d)_\d+_branch2c_bn_subsample_bn_", r"s\1_fuse.bn."),
    (r"res(\d)_(\d+)_branch1_(?=w$)", r"s\1.pathway0_res\2.branch1."),
    (r"res(\d)_(\d+)_branch1_bn_", r"s\1.pathway0_res\2.branch1_bn."),
    (r"res(\d)_(\d+)_branch2([abc])_(?=w$)", r"s\1.pathway0_res\2.branch2.\3."),
    (r"res(\d)_(\d+)_branch2([abc])_bn_", r"s\1.pathway0_res\2.branch2.\3_bn."),
    (r"nonlocal_conv(\d)_(\d+)_(theta|phi|g|out)_", r"s\1.pathway0_nonlocal\2.conv_\3."),
    (r"nonlocal_conv(\d)_(\d+)_bn_", r"s\1.pathway0_nonlocal\2.bn."),
    (r"pred_", "head.projection."),
)
FAST_BLOBS: Rules = tuple(
    (f"t_{blob}", ours.replace("pathway0", "pathway1")) for blob, ours in BLOBS if not blob.startswith(("t_", "p"))
)
ENDINGS = {"w": "weight", "b": "bias", "s": "weight", "rm": "running_mean", "riv": "running_var"}

# torchvision's ImageNet networks; their blocks are those of one pathway without time.
IMAGENET: Rules = (
    (r"conv1\.", "net.conv1.conv."),
    (r"bn1\.", "net.conv1.norm."),
    *((rf"layer{i}\.(\d+)\.conv(\d)\.", rf"net.res{i + 1}.block\1.body.conv\2.conv.") for i in (1, 2, 3, 4)),
    *((rf"layer{i}\.(\d+)\.bn(\d)\.", rf"net.res{i + 1}.block\1.body.conv\2.norm.") for i in (1, 2, 3, 4)),
    *((rf"layer{i}\.(\d+)\.downsample\.0\.", rf"net.res{i + 1}.block\1.shortcut.conv.") for i in (1, 2, 3, 4)),
    *((rf"layer{i}\.(\d+)\.downsample\.1\.", rf"net.res{i + 1}.block\1.shortcut.norm.") for i in (1, 2, 3, 4)),
)


def from_pyslowfast(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    paths = TWO_PATHWAYS if any(name.startswith("s1_fuse.") for name in state) else ONE_PATHWAY
    return renamed(renamed(state, rules=PATHWAY), rules=paths)


def from_caffe2(blobs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Blobs beside the weights (`_momentum`, `lr`, counters) keep their names; whoever reads them leaves them out."""
    state = {}
    for blob, tensor in renamed(blobs, rules=(*BLOBS, *FAST_BLOBS)).items():
        owner, dot, ending = blob.rpartition(".")
        state[f"{owner}.{ENDINGS[ending]}" if dot and ending in ENDINGS else blob] = tensor
    return from_pyslowfast(state)


RELEASES = (
    Release(
        "PySlowFast",
        "C2D, I3D, Slow and SlowFast",
        (r"s1\.pathway0_stem\.conv\.weight$", r"s2\.pathway0_res0\.branch2\.a\.weight$"),
        from_pyslowfast,
    ),
    Release(
        "PySlowFast (Caffe2)",
        "C2D, I3D, Slow and SlowFast",
        (r"res_conv1_bn_s$", r"res2_0_branch2a_w$"),
        from_caffe2,
    ),
    Release(
        "torchvision",
        "ResNet of images, for C2D, I3D and Slow",
        (r"conv1\.weight$", r"layer1\.0\.conv3\.weight$"),
        partial(renamed, rules=IMAGENET),
        inflates=True,
    ),
)
