"""The names of tensors in the official Motionformer checkpoints (.pyth, {"model_state": ...}).

EPIC-Kitchens files have two heads, `head0` of verbs and `head1` of nouns; here they are one, verbs first.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from .release import Heads, Release, Rules, renamed
from .vit import TIMM, split_positions

RULES: Rules = (
    (r"patch_embed\.proj\.", "image_patches."),
    (r"patch_embed_3d\.proj\.", "patches."),
    (r"temp_embed$", "positions.time"),
    (r"blocks\.(\d+)\.timeattn\.", r"blocks.\1.time."),
    (r"blocks\.(\d+)\.norm3\.", r"blocks.\1.time_norm."),
    *TIMM,
)


def translate(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    ours = split_positions(renamed(state, rules=RULES), "pos_embed")
    for part in ("weight", "bias"):
        if heads_of(state):
            ours[f"fc.{part}"] = torch.cat([ours.pop(f"head{i}.{part}") for i in (0, 1)])
    return ours


def heads_of(state: Mapping[str, Tensor]) -> Heads:
    """Verbs and nouns of an EPIC-Kitchens file; nothing for one of a single head."""
    both = all(f"head{i}.{part}" in state for i in (0, 1) for part in ("weight", "bias"))
    return {"verb": len(state["head0.weight"]), "noun": len(state["head1.weight"])} if both else {}


RELEASES = (
    Release(
        "Motionformer",
        "Motionformer, its joint and its divided baseline",
        (r"patch_embed_3d\.proj\.weight$", r"blocks\.0\.attn\.qkv\.weight$", "temp_embed$"),
        translate,
        heads=heads_of,
    ),
)
