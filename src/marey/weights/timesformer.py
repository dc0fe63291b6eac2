"""The names of tensors in TimeSformer checkpoints: facebookresearch's (.pyth, {"model_state": ...}), transformers'
(plain) and mmaction2's (.pth, {"state_dict": ...})."""

from collections.abc import Mapping

from torch import Tensor

from .release import Release, Rules, renamed
from .vit import TIMM, bert_layers, split_positions

OFFICIAL: Rules = (
    (r"(?:model\.)?pos_embed$", "pos_embed"),
    (r"(?:model\.)?time_embed$", "positions.time"),
    (r"(?:model\.)?blocks\.(\d+)\.temporal_attn\.", r"blocks.\1.time."),
    (r"(?:model\.)?blocks\.(\d+)\.temporal_norm1\.", r"blocks.\1.time_norm."),
    (r"(?:model\.)?blocks\.(\d+)\.temporal_fc\.", r"blocks.\1.time_fc."),
    *TIMM,
)
TRANSFORMERS: Rules = (
    (r"timesformer\.embeddings\.cls_token$", "first.token"),
    (r"timesformer\.embeddings\.position_embeddings$", "pos_embed"),
    (r"timesformer\.embeddings\.time_embeddings$", "positions.time"),
    (r"timesformer\.embeddings\.patch_embeddings\.projection\.", "patches."),
    (r"timesformer\.layernorm\.", "norm."),
    (r"classifier\.", "fc."),
    *bert_layers(r"timesformer\.encoder\.layer"),
)
LAYER, BLOCK = r"backbone\.transformer_layers\.layers\.(\d+)\.", r"blocks.\1."
MMACTION2: Rules = (
    (r"backbone\.cls_token$", "first.token"),
    (r"backbone\.pos_embed$", "pos_embed"),
    (r"backbone\.time_embed$", "positions.time"),
    (r"backbone\.patch_embed\.projection\.", "patches."),
    (r"backbone\.norm\.", "norm."),
    (r"cls_head\.fc_cls\.", "fc."),
    (rf"{LAYER}ffns\.0\.layers\.0\.0\.", rf"{BLOCK}mlp.fc1."),
    (rf"{LAYER}ffns\.0\.layers\.1\.", rf"{BLOCK}mlp.fc2."),
    (rf"{LAYER}ffns\.0\.norm\.", rf"{BLOCK}norm2."),
    (rf"{LAYER}norms\.0\.", rf"{BLOCK}norm1."),
    (rf"{LAYER}norms\.1\.", rf"{BLOCK}norm2."),
)
DIVIDED: Rules = (  # the first attention of a layer is over time, the second over space
    (rf"{LAYER}attentions\.0\.norm\.", rf"{BLOCK}time_norm."),
    (rf"{LAYER}attentions\.0\.temporal_fc\.", rf"{BLOCK}time_fc."),
    (rf"{LAYER}attentions\.0\.attn\.in_proj_", rf"{BLOCK}time.qkv."),
    (rf"{LAYER}attentions\.0\.attn\.out_proj\.", rf"{BLOCK}time.proj."),
    (rf"{LAYER}attentions\.1\.norm\.", rf"{BLOCK}norm1."),
    (rf"{LAYER}attentions\.1\.attn\.in_proj_", rf"{BLOCK}attention.qkv."),
    (rf"{LAYER}attentions\.1\.attn\.out_proj\.", rf"{BLOCK}attention.proj."),
    *MMACTION2,
)
WHOLE: Rules = (
    (rf"{LAYER}attentions\.0\.attn\.in_proj_", rf"{BLOCK}attention.qkv."),
    (rf"{LAYER}attentions\.0\.attn\.out_proj\.", rf"{BLOCK}attention.proj."),
    *MMACTION2,
)


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return as_ours(renamed(state, rules=OFFICIAL))


def from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return as_ours(renamed(state, rules=TRANSFORMERS))


def from_mmaction2(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    divided = any(name.endswith("attentions.0.temporal_fc.weight") for name in state)
    return as_ours(renamed(state, rules=DIVIDED if divided else WHOLE))


def as_ours(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Patches as kernels of one frame, positions in two tables."""
    ours = split_positions(named, "pos_embed")
    if ours["patches.weight"].ndim == 4:
        ours["patches.weight"] = ours["patches.weight"].unsqueeze(2)
    return ours


RELEASES = (
    Release(
        "TimeSformer",
        "TimeSformer; ViT of images, for its variant space",
        (
            r"(?:model\.)?patch_embed\.proj\.weight$",
            r"(?:model\.)?pos_embed$",
            r"(?:model\.)?blocks\.0\.attn\.qkv\.bias$",
        ),
        from_official,
    ),
    Release(
        "transformers",
        "TimeSformer",
        (r"timesformer\.embeddings\.cls_token$", r"timesformer\.encoder\.layer\.0\."),
        from_transformers,
    ),
    Release(
        "mmaction2",
        "TimeSformer",
        (r"backbone\.cls_token$", r"backbone\.transformer_layers\.layers\.0\."),
        from_mmaction2,
    ),
)
