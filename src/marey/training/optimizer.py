"""Optimizers, and their state as named tensors."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from ..errors import UsageError
from .recipe import Recipe


def make_optimizer(model: nn.Module, recipe: Recipe) -> Optimizer:
    """The recipe's optimizer over the trainable parameters; those of fewer than two dimensions do not decay.

    Raises UsageError when nothing is trainable.
    """
    trainable = [p for p in model.parameters() if p.requires_grad]
    if not trainable:
        raise UsageError(f"{type(model).__name__} has no trainable parameter; unfreeze a part of it")
    groups = [
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    fused = all(p.device.type in ("cpu", "cuda") for p in trainable)
    if recipe.optimizer == "sgd":
        nesterov = recipe.momentum > 0
        return SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=nesterov, fused=fused)
    return AdamW(groups, lr=recipe.lr, fused=fused)


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
