"""What releases of the ViT family have in common, and how the weights of an image ViT start a network of clips."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from .release import Rules, renamed

# timm's names, which the official releases of most video ViTs took over; some files have them under `model.`.
TIMM: Rules = (
    (r"(?:model\.)?cls_token$", "first.token"),
    (r"(?:model\.)?patch_embed\.proj\.", "patches."),
    (r"(?:model\.)?blocks\.(\d+)\.attn\.", r"blocks.\1.attention."),
    (r"(?:model\.)?blocks\.(\d+)\.", r"blocks.\1."),
    (r"(?:model\.)?(?:fc_)?norm\.", "norm."),
    (r"(?:model\.)?pre_logits\.", "pre_logits."),
    (r"(?:model\.)?head\.", "fc."),
)


def bert_layers(layers: str) -> Rules:
    """transformers' names of the layers below `layers`."""
    layer, block = rf"{layers}\.(\d+)\.", r"blocks.\1."
    return (
        (rf"{layer}attention\.attention\.qkv\.", rf"{block}attention.qkv."),
        (rf"{layer}attention\.output\.dense\.", rf"{block}attention.proj."),
        (rf"{layer}temporal_attention\.attention\.qkv\.", rf"{block}time.qkv."),
        (rf"{layer}temporal_attention\.output\.dense\.", rf"{block}time.proj."),
        (rf"{layer}temporal_layernorm\.", rf"{block}time_norm."),
        (rf"{layer}temporal_dense\.", rf"{block}time_fc."),
        (rf"{layer}intermediate\.dense\.", rf"{block}mlp.fc1."),
        (rf"{layer}output\.dense\.", rf"{block}mlp.fc2."),
        (rf"{layer}layernorm_before\.", rf"{block}norm1."),
        (rf"{layer}layernorm_after\.", rf"{block}norm2."),
    )


def joined(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`query.weight`, `key.weight` and `value.weight` (and biases) of transformers as one `qkv.weight`.

    Where there is no `key.bias`, the other two become `q_bias` and `v_bias`, which older files call so already.
    """
    out = dict(state)
    for name in [name for name in state if name.endswith("attention.query.weight")]:
        stem = name.removesuffix("query.weight")
        out[f"{stem}qkv.weight"] = torch.cat([out.pop(f"{stem}{part}.weight") for part in ("query", "key", "value")])
        biases = [out.pop(f"{stem}{part}.bias", None) for part in ("query", "key", "value")]
        if all(bias is not None for bias in biases):
            out[f"{stem}qkv.bias"] = torch.cat([bias for bias in biases if bias is not None])
        for part, bias in (("q_bias", biases[0]), ("v_bias", biases[2])):
            older = out.pop(f"{stem}{part}", bias)
            if older is not None and f"{stem}qkv.bias" not in out:
                out[f"{stem}qkv.{part}"] = older
    return out


def split_positions(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The class token's position and those of the places, which share one table `name` of tokens."""
    out = {key: tensor for key, tensor in state.items() if key != name}
    out["first.position"], out["positions.space"] = state[name][:, :1], state[name][:, 1:]
    return out


VIT = r"(?:vit\.)?"  # before transformers' names of a ViT with a classifier
TRANSFORMERS: Rules = (
    (rf"{VIT}embeddings\.cls_token$", "first.token"),
    (rf"{VIT}embeddings\.position_embeddings$", "pos_embed"),
    (rf"{VIT}embeddings\.patch_embeddings\.projection\.", "patches."),
    (rf"{VIT}layernorm\.", "norm."),
    (rf"{VIT}pooler\.dense\.", "pre_logits.fc."),
    *bert_layers(rf"{VIT}encoder\.layer"),
)


def is_image_vit(state: Mapping[str, Tensor]) -> bool:
    """Whether these are a ViT of images, in timm's names or transformers'."""
    for patches, attention in (
        (r"(?:model\.)?patch_embed\.proj\.weight", r"(?:model\.)?blocks\.0\.attn\.qkv\.weight"),
        (
            rf"{VIT}embeddings\.patch_embeddings\.projection\.weight",
            rf"{VIT}encoder\.layer\.0\.attention\.attention\.query\.weight",
        ),
    ):
        found = [tensor for name, tensor in state.items() if re.fullmatch(patches, name)]
        if found and found[0].ndim == 4 and any(re.fullmatch(attention, name) for name in state):
            return not any(re.search("temp_embed|time_embed|temporal", name) for name in state)
    return False


def from_image_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A ViT of images, in timm's names or transformers', in ours; its head is left out."""
    rules = TRANSFORMERS if any(re.match(rf"{VIT}embeddings\.", name) for name in state) else TIMM
    ours = renamed(joined(state), rules=rules)
    ours = split_positions(ours, next(name for name in ours if name.removeprefix("model.") == "pos_embed"))
    return {name: tensor for name, tensor in ours.items() if not name.startswith(("fc.", "classifier."))}


def start_from_image(image: Mapping[str, Tensor], fresh: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with which a video ViT begins where an image ViT ended.

    image  the image network's, in timm's names or transformers'
    fresh  the state dict of the Motionformer or TimeSformer that is to start, whose classifier and whatever else an
           image network lacks stay as they are

    Patches of several frames are all 0 but for the middle one (the later of two), so that the first tokens are those of
    that frame; positions are resampled to the grid; attention over time begins as a copy of that over space.
    ValueError for an image network that is not of the same width and depth.
    """
    held = from_image_names(image)
    if "image_patches.weight" in fresh:
        held |= {f"image_{name}": held[name] for name in ("patches.weight", "patches.bias")}
    frames = fresh["patches.weight"].shape[2]
    kernel = torch.zeros(*held["patches.weight"].shape[:2], frames, *held["patches.weight"].shape[2:])
    kernel[:, :, frames // 2] = held["patches.weight"]
    held["patches.weight"] = kernel
    held["positions.space"] = resampled(held["positions.space"], fresh["positions.space"].shape[1])
    held = {name: tensor for name, tensor in held.items() if name in fresh or not name.startswith("pre_logits.")}
    for name in fresh:
        over_space = re.sub(r"\.time(_norm|)\.", lambda found: ".norm1." if found[1] else ".attention.", name)
        if over_space != name and over_space in held:
            held[name] = held[over_space]
    for name in fresh:
        if name.endswith((".attention.qkv.weight", ".mlp.fc1.weight")) and name not in held:
            raise ValueError(f"the image network lacks {name}, which this network has; it must be of the same depth")
    for name, tensor in held.items():
        if name not in fresh:
            raise ValueError(f"the image network has {name}, which this network lacks; it must be of the same depth")
        if tensor.shape != fresh[name].shape:
            there, here = tuple(tensor.shape), tuple(fresh[name].shape)
            raise ValueError(f"{name} is {there} in the image network and {here} here; it must be of the same width")
    return {**fresh, **held}


def resampled(places: Tensor, count: int) -> Tensor:
    """Positions (1, n, d) of a square grid, for one of `count` places."""
    if places.shape[1] == count:
        return places
    before, after = round(places.shape[1] ** 0.5), round(count**0.5)
    grid = places.unflatten(1, (before, before)).permute(0, 3, 1, 2)
    return F.interpolate(grid, size=(after, after), mode="bicubic").flatten(2).transpose(1, 2)
