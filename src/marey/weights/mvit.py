"""The names of tensors in checkpoints of MViT and MViTv2: torchvision's (plain), PySlowFast's and pytorchvideo's (both
.pyth, {"model_state": ...})."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from .release import Release, Rules, renamed

BLOCK = r"blocks\.(\d+)\."
RELATIVE: Rules = tuple(
    (rf"{BLOCK}attn\.rel_pos_{axis}$", rf"blocks.\1.attention.relative.{ours}")
    for axis, ours in (("t", "frames"), ("h", "rows"), ("w", "columns"))
)
TORCHVISION: Rules = (
    (r"conv_proj\.", "patches."),
    (r"pos_encoding\.class_token$", "first.token"),
    (r"pos_encoding\.class_pos$", "first.position"),
    (r"pos_encoding\.spatial_pos$", "positions.space"),
    (r"pos_encoding\.temporal_pos$", "positions.time"),
    *RELATIVE,
    (rf"{BLOCK}attn\.project\.0\.", r"blocks.\1.attention.proj."),
    (rf"{BLOCK}attn\.pool_([qkv])\.pool\.", r"blocks.\1.attention.pool_\2.conv."),
    (rf"{BLOCK}attn\.pool_([qkv])\.norm_act\.0\.", r"blocks.\1.attention.pool_\2.norm."),
    (rf"{BLOCK}attn\.", r"blocks.\1.attention."),
    (rf"{BLOCK}mlp\.0\.", r"blocks.\1.mlp.fc1."),
    (rf"{BLOCK}mlp\.3\.", r"blocks.\1.mlp.fc2."),
    (r"head\.1\.", "fc."),
)
META: Rules = (  # what PySlowFast's and pytorchvideo's have in common
    *RELATIVE,
    (rf"{BLOCK}attn\.(?:_attention_)?pool_([qkv])\.(?:pool\.)?weight$", r"blocks.\1.attention.pool_\2.conv.weight"),
    (rf"{BLOCK}attn\._attention_pool_([qkv])\.norm\.", r"blocks.\1.attention.pool_\2.norm."),
    (rf"{BLOCK}attn\.norm_([qkv])\.", r"blocks.\1.attention.pool_\2.norm."),
    (rf"{BLOCK}attn\.", r"blocks.\1.attention."),
    (rf"{BLOCK}proj\.", r"blocks.\1.project."),
)
PYSLOWFAST: Rules = (
    (r"patch_embed\.proj\.", "patches."),
    (r"cls_token$", "first.token"),
    (r"pos_embed_class$", "first.position"),
    (r"pos_embed_spatial$", "positions.space"),
    (r"pos_embed_temporal$", "positions.time"),
    (r"head\.projection\.", "fc."),
    *META,
)
PYTORCHVIDEO: Rules = (
    (r"patch_embed\.patch_model\.", "patches."),
    (r"cls_positional_encoding\.cls_token$", "first.token"),
    (r"cls_positional_encoding\.pos_embed_class$", "first.position"),
    (r"cls_positional_encoding\.pos_embed_spatial$", "positions.space"),
    (r"cls_positional_encoding\.pos_embed_temporal$", "positions.time"),
    (r"norm_embed\.", "norm."),
    (r"head\.proj\.", "fc."),
    *META,
)


def from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tokens and absolute positions lack our first axes."""
    ours = renamed(state, rules=TORCHVISION)
    return {
        name: tensor.reshape(1, -1, tensor.shape[-1]) if name.startswith(("first.", "positions.")) else tensor
        for name, tensor in ours.items()
    }


def from_pyslowfast(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return joined(renamed(state, rules=PYSLOWFAST))


def from_pytorchvideo(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Newer files have every pooling twice, the second time below `_attention_pool_q`, and the second time counts."""
    return joined(renamed(state, rules=PYTORCHVIDEO))


def joined(ours: dict[str, Tensor]) -> dict[str, Tensor]:
    """Queries, keys and values that have products of their own (pytorchvideo's, some of PySlowFast's) in one."""
    out = dict(ours)
    for name in ours:
        if found := re.match(r"(blocks\.\d+\.attention\.)q\.(weight|bias)$", name):
            stem, part = found.groups()
            out[f"{stem}qkv.{part}"] = torch.cat([out.pop(f"{stem}{c}.{part}") for c in "qkv"])
    return out


RELEASES = (
    Release(
        "torchvision",
        "MViT and MViTv2",
        (r"conv_proj\.weight$", r"pos_encoding\.class_token$", r"blocks\.0\.attn\.pool_k\.pool\.weight$"),
        from_torchvision,
    ),
    Release(
        "PySlowFast",
        "MViT and MViTv2",
        (r"patch_embed\.proj\.weight$", r"blocks\.0\.attn\.pool_k\.weight$"),
        from_pyslowfast,
    ),
    Release(
        "pytorchvideo",
        "MViT",
        (r"patch_embed\.patch_model\.weight$", r"blocks\.0\.attn\.(_attention_)?pool_k\."),
        from_pytorchvideo,
    ),
)
