"""The octave section of blocks.py: whether octaves save the time that they save in multiply-adds.

ResNet-50 at alpha .5 against the plain one, evaluation, on the CPU. Both are in channels-last memory, their
normalizations folded into the convolutions before them. Runs take turns and the shortest on the clock counts.

Where a C++ compiler is there, both are timed as torch.compile makes them too, with frozen weights: packed once, sums
and activations fused into the convolutions.
"""

import shutil
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch._inductor import config as inductor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.utils.fusion import fuse_conv_bn_eval

from marey.nn import OctConv
from marey.presets import count, create_model, find_preset

PLAIN, OCTAVE = "resnet50", "oct_resnet50_a500"
WANTED = 0.85  # of the theoretical saving, at a batch of 8


def report(repeats: int) -> None:
    """Prints a line a batch size: both times, their ratio, and the share of the theoretical saving."""
    theory = count(find_preset(OCTAVE)).gmacs / count(find_preset(PLAIN)).gmacs
    print(f"\n{OCTAVE} has {theory:.3f} of the multiply-adds of {PLAIN}; threads: {torch.get_num_threads()}")
    models = [folded(create_model(name).eval()).requires_grad_(False) for name in (PLAIN, OCTAVE)]
    for model in models:
        model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    for batch in (8, 1):
        images = torch.randn(batch, 3, 224, 224).contiguous(memory_format=torch.channels_last)
        tell("as they are", shortest(models, images, repeats), batch, theory)
        if any(map(shutil.which, ("g++", "clang++"))):
            tell("compiled", shortest([compiled(model, images) for model in models], images, repeats), batch, theory)


def tell(how: str, seconds: Sequence[float], batch: int, theory: float) -> None:
    plain_s, octave_s = seconds
    share = (1 - octave_s / plain_s) / (1 - theory)
    goal = "" if batch == 1 else f", goal {WANTED:.0%}{'' if share >= WANTED else ' (SHORT OF THE GOAL)'}"
    print(
        f"  batch {batch}, {how}: plain {plain_s * 1e3:.1f} ms, octave {octave_s * 1e3:.1f} ms, ratio "
        f"{octave_s / plain_s:.3f}: {share:.0%} of the theoretical saving{goal}",
        flush=True,
    )


def compiled(model: nn.Module, images: Tensor) -> Callable[[Tensor], Tensor]:
    """The network for images of this shape, compiled from its plain operations (an octave map is no plain tensor)."""
    with torch.no_grad(), inductor.patch(freezing=True):
        run = torch.compile(make_fx(model)(images))
        run(images)
    return run


def shortest(models: Sequence[Callable[[Tensor], Tensor]], images: Tensor, repeats: int) -> list[float]:
    """Seconds of each model's quickest run; they run in turn."""
    times: list[list[float]] = [[] for _ in models]
    with torch.no_grad():
        for _ in range(repeats + 1):
            for model, taken in zip(models, times, strict=True):
                start = time.perf_counter()
                model(images)
                taken.append(time.perf_counter() - start)
    return [min(taken[1:]) for taken in times]  # the first runs warm up


def folded(model: nn.Module) -> nn.Module:
    """The same network, each pair of convolution and normalization made into one convolution."""
    for module in model.modules():
        conv, norm = module._modules.get("conv"), module._modules.get("norm")
        if not isinstance(norm, nn.BatchNorm2d):
            continue
        module._modules["norm"] = nn.Identity()
        if isinstance(conv, OctConv):
            fold_octave(conv, norm)
        else:
            assert isinstance(conv, nn.Conv2d)
            module._modules["conv"] = fuse_conv_bn_eval(conv, norm)
    return model


@torch.no_grad()
def fold_octave(conv: OctConv, norm: nn.BatchNorm2d) -> None:
    """Both frequencies' gains into the weights that give them; their shifts as bias, once each."""
    assert norm.running_var is not None and norm.running_mean is not None
    gain = norm.weight / (norm.running_var + norm.eps).sqrt()
    shift = norm.bias - norm.running_mean * gain
    high = conv.out_channels - conv.low_out
    for target, rows in (("h", slice(0, high)), ("l", slice(high, None))):
        parts = [part for part in (conv._modules[f"h2{target}"], conv._modules[f"l2{target}"]) if part is not None]
        for i, part in enumerate(parts):
            assert isinstance(part, nn.Conv2d)
            part.weight.mul_(gain[rows, None, None, None])
            part.bias = None if i else nn.Parameter(shift[rows].clone())
