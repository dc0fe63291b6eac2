"""The names of tensors in fine-tuned VideoMAE checkpoints: MCG-NJU's (.pth, {"model": ...} or {"module": ...}),
transformers' (plain) and mmaction2's (.pth, {"state_dict": ...}). Their fixed positions are in none of them."""

from collections.abc import Mapping

from torch import Tensor

from .release import Release, Rules, renamed
from .vit import TIMM, bert_layers, joined

BIASES: Rules = ((r"(?:model\.)?blocks\.(\d+)\.attn\.([qv])_bias$", r"blocks.\1.attention.qkv.\2_bias"),)
OFFICIAL: Rules = (*BIASES, *TIMM)
TRANSFORMERS: Rules = (
    (r"videomae\.embeddings\.patch_embeddings\.projection\.", "patches."),
    (r"fc_norm\.", "norm."),
    (r"classifier\.", "fc."),
    *bert_layers(r"videomae\.encoder\.layer"),
)
MMACTION2: Rules = (
    (r"backbone\.patch_embed\.projection\.", "patches."),
    (r"backbone\.blocks\.(\d+)\.attn\.([qv])_bias$", r"blocks.\1.attention.qkv.\2_bias"),
    (r"backbone\.blocks\.(\d+)\.attn\.", r"blocks.\1.attention."),
    (r"backbone\.blocks\.(\d+)\.mlp\.layers\.0\.0\.", r"blocks.\1.mlp.fc1."),
    (r"backbone\.blocks\.(\d+)\.mlp\.layers\.1\.", r"blocks.\1.mlp.fc2."),
    (r"backbone\.blocks\.(\d+)\.", r"blocks.\1."),
    (r"backbone\.fc_norm\.", "norm."),
    (r"cls_head\.fc_cls\.", "fc."),
)


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return renamed(state, rules=OFFICIAL)


def from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return renamed(joined(state), rules=TRANSFORMERS)


def from_mmaction2(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return renamed(state, rules=MMACTION2)


RELEASES = (
    Release("VideoMAE", "VideoMAE", (r"patch_embed\.proj\.weight$", r"blocks\.0\.attn\.q_bias$"), from_official),
    Release(
        "transformers",
        "VideoMAE",
        (r"videomae\.embeddings\.patch_embeddings\.", r"videomae\.encoder\.layer\.0\."),
        from_transformers,
    ),
    Release(
        "mmaction2",
        "VideoMAE",
        (r"backbone\.patch_embed\.projection\.weight$", r"backbone\.blocks\.0\.attn\.q_bias$"),
        from_mmaction2,
    ),
)
