"""What networks of a stem, a pooling and a row of stages share."""

from torch import Tensor, nn


def staged_maps(
    x: Tensor, *, stem: nn.Module, pool: nn.Module, stages: nn.Module, final: nn.Module
) -> dict[str, Tensor]:
    """The map after each part, by its name; that of the stem before its pooling."""
    maps = {"stem": stem(x)}
    x = pool(maps["stem"])
    for name, stage in stages.named_children():
        x = maps[name] = stage(x)
    return maps | {"final": final(x)}


def start_for_relu(model: nn.Module) -> None:
    """Starts every convolution for ReLU (He et al., ICCV 2015, arXiv:1502.01852), every linear layer near 0."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)
