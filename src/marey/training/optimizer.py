"""Optimizers, and their state as named tensors."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from ..errors import UsageError
from .recipe import Recipe
from .schedule import rate_at


def make_optimizer(model: nn.Module, recipe: Recipe, depths: Mapping[str, int] | None = None) -> Optimizer:
    """The recipe's optimizer over the trainable parameters; those of fewer than two dimensions do not decay.

    depths  name of a parameter -> blocks between it and the classifier, which is at 0, as are those it does not name;
            each depth has its own groups, whose "depth" `set_rates` reads

    Raises UsageError when nothing is trainable.
    """
    depths = depths or {}
    trainable = [(depths.get(name, 0), p) for name, p in model.named_parameters() if p.requires_grad]
    if not trainable:
        raise UsageError(f"{type(model).__name__} has no trainable parameter; unfreeze a part of it")
    groups = []
    for depth in sorted({depth for depth, _ in trainable}):
        here = [p for at, p in trainable if at == depth]
        weights, vectors = [p for p in here if p.ndim >= 2], [p for p in here if p.ndim < 2]
        groups.append({"params": weights, "weight_decay": recipe.weight_decay, "depth": depth})
        groups.append({"params": vectors, "weight_decay": 0.0, "depth": depth})
    groups = [group for group in groups if group["params"]]
    fused = all(p.device.type in ("cpu", "cuda") for _, p in trainable)
    if recipe.optimizer == "sgd":
        nesterov = recipe.momentum > 0
        return SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=nesterov, fused=fused)
    return AdamW(groups, lr=recipe.lr, fused=fused)


def set_rates(optimizer: Optimizer, recipe: Recipe, place: int, total: int, *, factor: float = 1.0) -> None:
    """Gives each group the rate of its depth for the step at `place` of `total`, times `factor`."""
    for group in optimizer.param_groups:
        group["lr"] = factor * rate_at(recipe, place, total, depth=group["depth"])


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """Its state as "<parameter number>.<name>" -> tensor; what is no tensor is rebuilt from the recipe."""
    return {
        f"{number}.{name}": value
        for number, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
        if isinstance(value, Tensor)
    }


def load_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """The inverse of `optimizer_tensors`."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def gradient_norm(parameters: list[nn.Parameter], clip_norm: float | None) -> Tensor:
    """Euclidean norm of all gradients together, which are then scaled down to `clip_norm` if they exceed it."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = nn.utils.get_total_norm(gradients)
    if clip_norm is not None:
        nn.utils.clip_grads_with_norm_(parameters, clip_norm, norm)
    return norm.detach()
