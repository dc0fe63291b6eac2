"""Inflation: a network of images becomes one of clips, with its weights (Carreira and Zisserman, CVPR 2017).

Every convolution gets a kernel over time that answers a clip of equal frames, a "boring video" (arXiv:1705.07750), as
the image is answered. With zeros before the first and after the last frame that holds for inner frames only.
"""

import copy
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..nn import GloRe, SameConv2d
from .frames import FrameModel
from .inflated import EACH_FRAME, LIFTS, MODES, PADDINGS, ClipModel, EachFrame, FlattenFrames, InflatedConv, lifted
from .interface import VideoModel
from .trial import FORWARD, TrialError, module_called, tensors_in, trial_input, watch, where

CHECK_FRAMES = 3
CONVS = (nn.Conv2d, SameConv2d)
KNOWN = (*CONVS, *LIFTS, *EACH_FRAME, nn.Flatten)
MODULES_ONLY = (
    "pooling, resizing, padding and flattening are inflated where they are modules, such as nn.MaxPool2d, nn.Upsample, "
    "or nn.AdaptiveAvgPool2d and nn.Flatten for a mean"
)


def inflate(
    model_2d: nn.Module,
    *,
    frames: int,
    mode: str = "repeat",
    at: Sequence[str] | None = None,
    padding: str = "replicate",
    example: Tensor | None = None,
) -> nn.Module:
    """A new network of clips (b, c, t, h, w), made of any network of images (n, c, h, w), which is left alone.

    frames   extent in time of the inflated kernels; clips may have any length
    mode     "repeat": the 2D kernel in every frame, divided by `frames`; "center": all of it in the middle frame
    at       dotted names of the convolutions that get such kernels, or of modules: their convolutions larger than
             1 x 1. Without it, all larger than 1 x 1. The others see one frame at a time
    padding  in time: "replicate" repeats the first and last frame, "zeros" is what most released networks do
    example  an image batch that the network takes; without it, random ones of common sizes are tried

    Normalizations keep their weights and statistics, names of tensors stay, time is never strided, global pooling is
    over time too, and `nn.Flatten` of maps averages over time first. A `FrameModel` becomes a model of clips.

    Before it returns, both networks have run, and every map has been compared on a clip of equal frames. What cannot be
    inflated is named by a ValueError: functional pooling in a forward, unknown modules with 4-dimensional tensors.
    """
    _check_arguments(frames, mode, padding)
    if isinstance(model_2d, VideoModel) and not isinstance(model_2d, FrameModel):
        name = type(model_2d).__name__
        raise ValueError(
            f"inflate takes a network of images or a FrameModel, and {name} is neither; give what is inside"
        )
    if not any(isinstance(m, nn.Conv2d) for m in model_2d.modules()):
        raise ValueError(f"inflate found no nn.Conv2d in {type(model_2d).__name__}, so there is nothing to inflate")
    model = copy.deepcopy(model_2d)
    _refuse_unknown(model)
    flat = model_2d.encoder if isinstance(model_2d, FrameModel) else model_2d
    image = trial_input(flat, example)
    deep = _converted(model, frames=frames, mode=mode, padding=padding, over_time=_over_time(model, at))
    if isinstance(deep, FrameModel):
        deep = ClipModel(of_frames=deep)
    if isinstance(deep, ClipModel):
        _check(flat, deep.encoder, image, prefix="encoder.")
    else:
        _check(flat, deep, image, prefix="")
    return deep


def _check_arguments(frames: object, mode: str, padding: str) -> None:
    if not isinstance(frames, int) or frames < 1:
        raise ValueError(f"frames is {frames!r}; an inflated kernel spans 1 frame or more, a whole number")
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}; inflation knows {' and '.join(MODES)}")
    if padding not in PADDINGS:
        raise ValueError(f"padding is {padding!r}; inflation knows {' and '.join(PADDINGS)}")


def _refuse_unknown(model: nn.Module) -> None:
    """Raise a ValueError that names every module which inflation does not know how to change and must."""
    reasons: list[str] = []
    owners: dict[int, str] = {}
    for name, module in model.named_modules():
        for tensor in module.parameters(recurse=False):
            if owners.setdefault(id(tensor), name) != name and tensor.ndim > 3:
                reasons.append(f"{where(name, module)} has the weights of `{owners[id(tensor)]}`")
        tensors = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        big = [f"{key} of {tensor.ndim} axes" for key, tensor in tensors if tensor.ndim > 3]
        if type(module) in KNOWN:
            if module._forward_hooks or module._forward_pre_hooks or module._backward_hooks:
                reasons.append(f"{where(name, module)} has hooks, which would be lost")
        elif isinstance(module, torch.jit.ScriptModule):
            reasons.append(f"{where(name, module)} is compiled")
        elif isinstance(module, GloRe) and not module.normalize:
            reasons.append(
                f"{where(name, module)} sums over positions, of which a clip has more (inflate first and add such "
                "units after, or have them normalize)"
            )
        elif isinstance(module, (nn.Conv2d, *LIFTS)):
            reasons.append(f"{where(name, module)} is a kind of its own")
        elif big:
            reasons.append(f"{where(name, module)} holds {' and '.join(big)}")
    if reasons:
        raise ValueError(f"inflate does not know what becomes of these over time: {'; '.join(reasons)}")


def _over_time(model: nn.Module, at: Sequence[str] | None) -> set[int]:
    """Identities of the convolutions whose kernels span more than one frame."""
    modules = dict(model.named_modules(remove_duplicate=False))
    if at is None:
        return {id(m) for m in modules.values() if isinstance(m, nn.Conv2d) and max(m.kernel_size) > 1}
    chosen: set[int] = set()
    for name in [at] if isinstance(at, str) else at:
        module = module_called(modules, name)
        inside = [m for m in module.modules() if isinstance(m, nn.Conv2d) and max(m.kernel_size) > 1]
        convs = [module] if isinstance(module, nn.Conv2d) else inside
        if not convs:
            raise ValueError(f"{where(name, module)} has no nn.Conv2d larger than 1 x 1 that could span frames")
        chosen.update(map(id, convs))
    return chosen


def _converted(model: nn.Module, *, frames: int, mode: str, padding: str, over_time: set[int]) -> nn.Module:
    """`model` with every module that it shares between places still shared."""
    new: dict[int, nn.Module] = {}

    def convert(module: nn.Module) -> nn.Module:
        if isinstance(module, nn.Conv2d):
            return InflatedConv(module, frames=frames if id(module) in over_time else 1, mode=mode, padding=padding)
        if type(module) in LIFTS:
            return lifted(module)
        if type(module) in EACH_FRAME:
            return EachFrame(module)
        if isinstance(module, nn.Flatten):
            return FlattenFrames(module)
        for name, child in module._modules.items():  # named_children leaves out the second place of a shared one
            if child is not None:
                setattr(module, name, once(child))
        return module

    def once(module: nn.Module) -> nn.Module:
        if id(module) not in new:
            new[id(module)] = convert(module)
        return new[id(module)]

    return once(model)


def _check(flat: nn.Module, deep: nn.Module, image: Tensor, *, prefix: str) -> None:
    """Raise a ValueError unless a clip of equal frames gets, map by map, what the image gets.

    `prefix` is where the two are inside the network that the caller knows.
    """
    compared = _Comparison(flat, prefix)
    answers = tensors_in(watch(flat, image, compared.remember, enters=compared.remember_inputs))
    padded = [(m, m.time_padding) for m in deep.modules() if isinstance(m, InflatedConv)]
    for module, _ in padded:
        module.time_padding = "replicate"  # with zeros, only inner frames of long clips would agree
    failed: TrialError | None = None
    clip = image.unsqueeze(2).repeat_interleave(CHECK_FRAMES, 2)
    try:
        out = watch(
            deep,
            clip,
            compared.compare,
            enters=compared.compare_inputs,
            running=compared.running,
            calls=compared.calls,
        )
        got = tensors_in(out)
    except TrialError as error:
        got, failed = [], error
    finally:
        for module, padding in padded:
            module.time_padding = padding
    alike = bool(answers) and len(answers) == len(got) and all(map(_agree, answers, got))
    if alike and not compared.apart:
        return
    if compared.found:
        raise ValueError(f"{compared.found[0]}; {MODULES_ONLY}")
    if failed:
        place = compared.place(failed.name, failed.module)
        raise ValueError(f"{place} cannot be inflated: {failed.call} fails on a clip ({failed.reason}); {MODULES_ONLY}")
    raise ValueError(
        f"the network gives an image {_shapes(answers)} and a clip {_shapes(got)}, "
        f"which cannot be compared{compared.ended}; {MODULES_ONLY}"
    )


class _Comparison:
    """What every module of the network of images got and gave, and where that of clips first has something else."""

    def __init__(self, flat: nn.Module, prefix: str) -> None:
        self.of_images, self.prefix = dict(flat.named_modules()), prefix
        self.inputs: dict[str, deque[list[Tensor]]] = defaultdict(deque)
        self.outputs: dict[str, deque[list[Tensor]]] = defaultdict(deque)
        self.running: list[tuple[str, nn.Module]] = []
        self.calls: list[str] = []
        self.found: list[str] = []  # sentences on what went wrong, in the order of running
        self.apart = False  # whether a module of clips has put out something else
        self.ended = ""  # what the network itself called last

    def place(self, name: str, module: nn.Module | None = None) -> str:
        """`module` only for a name that the network of images does not have."""
        return where((self.prefix + name).rstrip("."), self.of_images.get(name, module) or nn.Identity())

    def remember_inputs(self, name: str, module: nn.Module, inputs: Any) -> None:
        self.inputs[name].append([x.clone() for x in tensors_in(inputs)])

    def remember(self, name: str, module: nn.Module, out: Any) -> None:
        self.outputs[name].append([x.clone() for x in tensors_in(out)])

    def compare_inputs(self, name: str, module: nn.Module, inputs: Any) -> None:
        """An input that is another is not yet a fault, but the first to blame where one is found."""
        if not self.inputs[name] or not self.running:
            return
        call, of_image, of_clip = self.calls[-1], self.inputs[name].popleft(), tensors_in(inputs)
        if any(_agree(x, y) is False or _of_another_form(x, y) for x, y in zip(of_image, of_clip, strict=False)):
            self.found.append(
                f"{self.place(*self.running[-1])} cannot be inflated: of a clip of equal frames it hands "
                f"`{self.prefix}{name}` something else than of the image, {_shapes(of_clip)} for {_shapes(of_image)}, "
                f"after {_called(call)}"
            )

    def compare(self, name: str, module: nn.Module, out: Any) -> None:
        call = self.calls[-1]
        if not name and call != FORWARD:
            self.ended = f" after {_called(call)}"
        if not self.outputs[name]:
            return
        pairs = zip(self.outputs[name].popleft(), tensors_in(out), strict=False)
        if any(_agree(x, y) is False for x, y in pairs):
            self.apart = True
            by = "" if type(self.of_images[name]) in KNOWN else f" after {_called(call)}"
            self.found.append(f"on equal frames, {self.place(name)} answers otherwise than on the image{by}")


def _called(call: str) -> str:
    return "modules that see no difference" if call == FORWARD else f"{call} in its forward"


def _shapes(tensors: list[Tensor]) -> str:
    return ", ".join(str(tuple(x.shape)) for x in tensors)


def _of_another_form(of_image: Tensor, of_clip: Tensor) -> bool:
    """Maps have an axis more in a clip; everything else has as many, and features of whole images as many of them."""
    if (of_image.ndim, of_clip.ndim) == (4, 5):
        return False
    return of_image.ndim != of_clip.ndim or (of_image.ndim == 2 and of_image.shape[1] != of_clip.shape[1])


def _agree(of_image: Tensor, of_clip: Tensor) -> bool | None:
    """Whether every frame of the clip has what the image has; None where their shapes cannot tell."""
    if of_image.ndim == 4 and of_clip.ndim == 5:
        of_image = of_image.unsqueeze(2)
        if of_clip.shape[2] not in (1, CHECK_FRAMES) or of_clip[:, :, :1].shape != of_image.shape:
            return False
        of_image = of_image.expand_as(of_clip)
    elif of_image.shape != of_clip.shape:
        return None
    if of_clip.is_meta:
        return True
    if not of_clip.is_floating_point():
        return torch.equal(of_image, of_clip)
    precise = of_clip.dtype in (torch.float32, torch.float64)
    apart = (1e-3 if precise else 5e-2) * of_image.abs().max().item() + 1e-6
    return torch.allclose(of_image, of_clip, rtol=0, atol=apart, equal_nan=True)
