"""The last linear layers of a model, whatever it is: what they read, and others in their place.

Most models end in one linear layer. Some have several whose answers add up (a block or a stream each), and some give
the mean over tokens of what the layer says of each. What ends otherwise is told apart by trying.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..nn import NearestMean
from .interface import VideoModel

CHUNK = 256  # clips that are looked at in one go


def last_layers(model: VideoModel, encoded: Float[Tensor, "n ..."]) -> dict[str, nn.Linear]:
    """Name -> layer: the linear layers whose answers about `encoded`, what `model.encode` gave of a few clips, add up.

    Their sum may be divided by their number. ValueError where the model's logits are not such a sum.
    """
    classes = _watched(model, [], encoded)[1].shape[1]
    linear = {layer: name for name, layer in model.named_modules() if isinstance(layer, nn.Linear)}
    inputs, logits = _watched(model, [layer for layer in linear if layer.out_features == classes], encoded)
    layers = [layer for layer in linear if layer in inputs]
    for some in (layers, layers[-1:]):  # a hidden layer may happen to be as wide as there are classes
        said = torch.zeros_like(logits)
        with torch.no_grad():
            for layer in some:
                said = said + layer(inputs[layer]).mean(1)
        if any(_alike(share * said, logits) for share in (1.0, 1 / max(1, len(some)))):
            return {linear[layer]: layer for layer in some}
    raise ValueError(f"{type(model).__name__} does not end in linear layers whose answers add up")


def read_by(
    model: VideoModel, layers: Sequence[nn.Linear], encoded: Float[Tensor, "n ..."]
) -> list[Float[Tensor, "n t _"]]:
    """What each of the last layers reads of encoded clips: t tokens of each, one of most."""
    parts = [_watched(model, layers, part)[0] for part in encoded.split(CHUNK)]
    return [torch.cat([part[layer] for part in parts]) for layer in layers]


def with_nearest_means(model: VideoModel, names: Sequence[str]) -> VideoModel:
    """The model with a fresh `NearestMean` in the place of each linear layer of these names."""
    for name in names:
        layer = model.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        fresh = NearestMean(layer.in_features, layer.out_features).to(layer.weight.device)
        model.set_submodule(name, fresh.train(model.training))
    return model


def _alike(one: Tensor, other: Tensor) -> bool:
    """Whether logits mean the same probabilities."""
    return torch.allclose(one.log_softmax(1), other.log_softmax(1), atol=1e-4, rtol=1e-4)


def _watched(
    model: VideoModel, layers: Sequence[nn.Linear], encoded: Tensor
) -> tuple[dict[nn.Module, Float[Tensor, "n t _"]], Tensor]:
    """(layer -> what it is given while the model classifies, if anything; the logits)."""
    inputs: dict[nn.Module, Tensor] = {}

    def keep(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        inputs[layer] = given[0].detach().reshape(len(encoded), -1, given[0].shape[-1])

    hooks = [layer.register_forward_pre_hook(keep) for layer in layers]
    before = model.training
    try:
        with torch.no_grad():
            logits = model.eval().classify(encoded)
    finally:
        model.train(before)
        for hook in hooks:
            hook.remove()
    return inputs, logits
