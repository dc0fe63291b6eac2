"""What of a trained network goes on to learn on other data, and how deep each parameter lies.

video -> [stem -> block 1 ... block L -> norm] -> classifier
          the body, which has learned before      mostly fresh
"""

from collections.abc import Collection, Mapping

import torch
from torch import nn

from ..nn.lora import adapt_linears
from ..video import ClipSpec
from .interface import VideoModel
from .last_layers import last_layers


def classifier_parameters(model: VideoModel, spec: ClipSpec) -> frozenset[str]:
    """Names of the parameters of the last linear layers, by trying the model on noise (see `last_layers`); of a model
    that ends otherwise, of all trainable ones that `classify` uses.

    spec  what the model is fed
    """
    noise = torch.Generator().manual_seed(0)
    clip = torch.randn(1, spec.channels, spec.frames, spec.side_px, spec.side_px, generator=noise)
    before = model.training
    with torch.no_grad():
        encoded = model.eval().encode(clip)
    try:
        layers = last_layers(model, encoded)
    except ValueError:
        named = {name: p for name, p in model.named_parameters() if p.requires_grad}
        logits = model.classify(encoded)
        used = torch.autograd.grad(logits.sum(), list(named.values()), allow_unused=True)
        return frozenset(name for name, gradient in zip(named, used, strict=True) if gradient is not None)
    finally:
        model.train(before)
    return frozenset(f"{name}.{own}" for name, layer in layers.items() for own, _ in layer.named_parameters())


def transformer_blocks(model: nn.Module) -> dict[str, nn.Module]:
    """Name -> block, shallow to deep: members of a list of modules that have layer norms and linear layers inside.

    None inside of another. Empty for networks that are no transformers.
    """
    found: dict[str, nn.Module] = {}
    lists = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    for prefix, modules in lists:
        for number, module in modules.named_children():
            kinds = [type(part) for part in module.modules()]
            name = f"{prefix}.{number}"
            if nn.LayerNorm in kinds and nn.Linear in kinds and not any(name.startswith(f"{b}.") for b in found):
                found[name] = module
    return found


def parameter_depths(model: nn.Module, classifier: Collection[str]) -> dict[str, int]:
    """Name of every parameter -> how many blocks it lies below the classifier, whose own are 0.

    Of L transformer blocks the last is 1 deep, with the norm behind it, and the first is L deep; patches, tokens and
    positions are L + 1 deep, as BEiT counts (Bao et al., ICLR 2022, arXiv:2106.08254), whose last norm is with the
    classifier. A network without such blocks has a body that is 1 deep.
    """
    blocks = list(transformer_blocks(model))
    depths: dict[str, int] = {}
    begun = not blocks
    for name, _ in model.named_parameters():
        block = next((b for b in blocks if name.startswith(f"{b}.")), None)
        begun = begun or block is not None
        if name in classifier:
            depths[name] = 0
        elif block is not None:
            depths[name] = len(blocks) - blocks.index(block)
        else:
            depths[name] = 1 if begun else len(blocks) + 1
    return depths


def freeze_body(model: nn.Module, classifier: Collection[str]) -> None:
    """Only the classifier learns from here on."""
    for name, p in model.named_parameters():
        p.requires_grad_(name in classifier)


def add_adapters(model: nn.Module, classifier: Collection[str], *, rank: int = 8) -> Mapping[str, int]:
    """Low-rank adapters beside the linear layers of all transformer blocks, in place; only they and the classifier
    learn from here on. Block -> how many layers. ValueError for a network without transformer blocks."""
    blocks = transformer_blocks(model)
    if not blocks:
        raise ValueError(f"{type(model).__name__} has no transformer blocks to put adapters into")
    freeze_body(model, classifier)
    return {name: adapt_linears(block, rank=rank) for name, block in blocks.items()}
