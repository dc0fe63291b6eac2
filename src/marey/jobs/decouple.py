"""Four ways to balance the classifier of a trained model, whose representation stays as it is.

After Kang et al., ICLR 2020 (arXiv:1910.09217). Each changes the last linear layers of the model, from what they read
of the training clips, every clip seen once and as it is. Where that differs from the paper:

crt   a fresh classifier on class-balanced draws. It learns on standardized numbers by the recipe of the linear presets
      (100 epochs, strong weight decay), not for 10 epochs on raw ones: few clips overfit sooner than ImageNet-LT.
      Layers whose answers add up learn each by itself, as they did in training
ncm   nearest class mean of centred features of length 1; the scale of its logits, which decides no clip, is the most
      likely one on validation clips (training clips where there are none)
tau   weights over the tau-th power of their length, without bias; of equally good tau the least
lws   one factor a class on its logit, at a rate of 0.2 on class-balanced draws, for 5 epochs of 100 steps or more: an
      epoch of few clips has fewer, one of ImageNet-LT, where the paper took 5, twice as many
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..metrics import confusion_matrix, fit_temperature, mean_per_class_accuracy
from ..models import VideoModel, last_layers, read_by, with_nearest_means
from ..nn import NearestMean, StandardLinear
from ..tasks.long_tail import TAUS, tau_normalized
from ..training import Fitted, Recipe, fit, sampled_order, soft_cross_entropy
from .clip_features import PROBED
from .learn import one_thread
from .rules import LINEAR_BATCH, LINEAR_RECIPE

METHODS = ("crt", "ncm", "tau", "lws")
LWS_EPOCHS, LWS_STEPS, LWS_RATE = 5, 100, 0.2  # steps of an epoch, at least

Clips = tuple[Tensor, Tensor]  # (n, ...) encoded, (n, classes) targets


def balance(
    model: VideoModel, method: str, train: Clips, val: Clips, *, seed: int, device: torch.device
) -> tuple[dict[str, Any], Fitted | None]:
    """Change the model's last layers by one of METHODS: (what was chosen, how it was learned if it was by steps).

    ValueError for a model that does not end in linear layers whose answers add up.
    """
    layers = last_layers(model, train[0][:PROBED])
    with one_thread():
        match method:
            case "crt":
                return _fresh_classifier(model, list(layers.values()), train, seed=seed, device=device)
            case "ncm":
                return _nearest_means(model, layers, train, val), None
            case "tau":
                return _shortest_best(model, list(layers.values()), val), None
            case "lws":
                return _factors(model, list(layers.values()), train, seed=seed, device=device)
            case _:
                raise ValueError(f"method is {method!r}; it can be {', '.join(METHODS)}")


def _fresh_classifier(
    model: VideoModel, layers: Sequence[nn.Linear], train: Clips, *, seed: int, device: torch.device
) -> tuple[dict[str, Any], Fitted]:
    encoded, targets = train
    inputs = [x.mean(1) for x in read_by(model, layers, encoded)]  # linear: the answer about the mean is their mean
    heads = nn.ModuleList(StandardLinear(x.shape[1], targets.shape[1]) for x in inputs).to(device)
    for head, x in zip(heads, inputs, strict=True):
        head.measure(x)  # type: ignore[operator] - a StandardLinear

    def step(part: Tensor) -> dict[str, Tensor]:
        losses = [soft_cross_entropy(head(x[part]), targets[part]) for head, x in zip(heads, inputs, strict=True)]
        return {"loss": torch.stack(losses).sum()}

    epochs, rate, decay = LINEAR_RECIPE
    recipe = Recipe(epochs=epochs, lr=rate, weight_decay=decay, optimizer="sgd", warmup_fraction=0.0, seed=seed)
    fitted = _on_balanced_draws(step, heads, recipe, targets, device=device)
    with torch.no_grad():
        shift = torch.zeros_like(targets[0])
        for layer, head in zip(layers, heads, strict=True):
            assert isinstance(head, StandardLinear)
            layer.weight.copy_(head.fc.weight / head.std / head.std.numel() ** 0.5)
            shift += head.fc.bias - layer.weight @ head.mean
        _set_biases(layers, shift)
    return {"epochs": epochs, "draws an epoch": len(targets)}, fitted


def _nearest_means(model: VideoModel, layers: Mapping[str, nn.Linear], train: Clips, val: Clips) -> dict[str, Any]:
    inputs = read_by(model, list(layers.values()), train[0])
    with_nearest_means(model, list(layers))
    ends = [end for name in layers if isinstance(end := model.get_submodule(name), NearestMean)]
    for end, x in zip(ends, inputs, strict=True):
        end.measure(x, train[1])
    encoded, targets = val if len(val[0]) else train
    with torch.no_grad():
        cosines = model.classify(encoded).cpu().numpy()
        scale = 1 / fit_temperature(cosines, targets.argmax(1).cpu().numpy())
        for end in ends:
            end.scale.fill_(scale)
    return {"scale": scale}


def _shortest_best(model: VideoModel, layers: Sequence[nn.Linear], val: Clips) -> dict[str, Any]:
    weights = [layer.weight.detach().clone() for layer in layers]
    _set_biases(layers, torch.zeros_like(val[1][0]))
    scores = {}
    with torch.no_grad():
        for tau in TAUS:
            _set_weights(layers, tau_normalized(weights, tau))
            scores[tau] = _mean_per_class(model, val)
        best = max(scores, key=lambda tau: (scores[tau], -tau))
        _set_weights(layers, tau_normalized(weights, best))
    return {"tau": best, "mean per class on validation by tau": {f"{tau:g}": s for tau, s in scores.items()}}


def _factors(
    model: VideoModel, layers: Sequence[nn.Linear], train: Clips, *, seed: int, device: torch.device
) -> tuple[dict[str, Any], Fitted]:
    encoded, targets = train
    with torch.no_grad():
        logits = model.classify(encoded)
    factors = ClassFactors(targets.shape[1]).to(device)

    def step(part: Tensor) -> dict[str, Tensor]:
        return {"loss": soft_cross_entropy(factors(logits[part]), targets[part])}

    recipe = Recipe(epochs=LWS_EPOCHS, lr=LWS_RATE, weight_decay=0.0, optimizer="sgd", warmup_fraction=0.0, seed=seed)
    fitted = _on_balanced_draws(step, factors, recipe, targets, steps=LWS_STEPS, device=device)
    with torch.no_grad():
        for layer in layers:
            layer.weight.mul_(factors.factors[:, None])
            if layer.bias is not None:
                layer.bias.mul_(factors.factors)
    found = factors.factors.detach()
    return {"epochs": LWS_EPOCHS, "least factor": float(found.min()), "greatest factor": float(found.max())}, fitted


class ClassFactors(nn.Module):
    """One learned factor on the logit of each class, 1 at first."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.ones(classes))

    def forward(self, logits: Float[Tensor, "b classes"]) -> Float[Tensor, "b classes"]:
        return self.factors * logits


def _on_balanced_draws(
    step: Callable[[Tensor], dict[str, Tensor]],
    model: nn.Module,
    recipe: Recipe,
    targets: Tensor,
    *,
    steps: int = 1,
    device: torch.device,
) -> Fitted:
    """Batches are places of training clips, every class drawn equally often; an epoch is `steps` of them or more."""
    rows = targets.cpu().numpy()
    rounds = ceil(steps / ceil(len(rows) / LINEAR_BATCH))  # through the clips, an epoch

    def batches(epoch: int) -> Iterator[Tensor]:
        for number in range(epoch * rounds, (epoch + 1) * rounds):
            order = sampled_order(rows, q=0.0, seed=recipe.seed, epoch=number)
            yield from torch.as_tensor(order, device=device).split(LINEAR_BATCH)

    count = rounds * ceil(len(rows) / LINEAR_BATCH)
    return fit(step, batches, model=model, recipe=recipe, batches_per_epoch=count, device=str(device))


def _set_weights(layers: Sequence[nn.Linear], weights: Sequence[Tensor]) -> None:
    for layer, weight in zip(layers, weights, strict=True):
        layer.weight.copy_(weight)


def _set_biases(layers: Sequence[nn.Linear], total: Tensor) -> None:
    """The first layer that has a bias gets the whole of it: the answers of the layers add up."""
    held = [layer.bias for layer in layers if layer.bias is not None]
    with torch.no_grad():
        for bias in held:
            bias.zero_()
        if held:
            held[0].copy_(total)


def _mean_per_class(model: VideoModel, clips: Clips) -> float:
    encoded, targets = clips
    said = model.classify(encoded).argmax(1).cpu().numpy()
    return mean_per_class_accuracy(confusion_matrix(np.asarray(targets.argmax(1).cpu()), said, targets.shape[1]))
