"""Flow features put onto any network, anybody's: a branch beside it, whose logits are zeros at first.

Which maps belong to one group of the branch, how wide they are, and how many classes there are is read off the network
on a small clip, and old and new network answer it before the new one is given.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..nn import FlowFeatureBranch, fold_time
from .interface import VideoModel
from .map_reader import MapReader, OneStepError, as_map
from .off import OffModel, OffNet
from .trial import CONVS, SIZES, TrialError, module_called, other_sizes, watch, where

FRAMES = 3  # of the clips that networks of images are tried on


class Encoding(nn.Module):
    """A model of clips up to what its classifier reads."""

    def __init__(self, model: VideoModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, video: Tensor) -> Tensor:
        return self.model.encode(video)


@dataclass(frozen=True)
class Trial:
    """What a network does with a small clip: its maps by name, in the order in which they come, and what it encodes."""

    clip: Tensor
    maps: dict[str, Tensor]
    copied: frozenset[str]  # names of the maps that it goes on to change in place
    out: Any


def add_off(
    model: nn.Module,
    at: Sequence[str],
    *,
    spatial: int = 32,
    temporal: int = 128,
    gradient: str = "official",
    width: int = 64,
    blocks: int = 1,
    zero_init: bool = True,
    example: Tensor | None = None,
) -> OffModel | OffNet:
    """A copy of `model` with a branch that classifies the flow features of the maps of the modules named in `at`.

    at        dotted names as `model.named_modules()` has them, such as "encoder.stages.stage3"
    spatial, temporal, gradient   those of `FlowFeature`: channels, and "official" or "sobel"
    width, blocks, zero_init      those of `FlowFeatureBranch`: logits that begin at zero change nothing at first
    example   a clip (b, c, t, h, w) that the model takes, or images (n, c, h, w) for a network of images; without it,
              random ones of common sizes are tried

    The tensors of the network go by model.NAME in the copy, those of the branch by branch.NAME. A network of images
    takes clips then, and averages the logits of their frames. ValueError where a module is unknown or does not run,
    where it puts out something else than a map for each of two frames or more, where the network does not give logits
    (b, k), and where the copy, run once, does not answer bit for bit as `model` does.
    """
    model = copy.deepcopy(model)
    trial, answer = _studied(model, at, example)
    groups = _groups(trial)
    rows = [size[1] for size in groups]
    branch = FlowFeatureBranch(
        num_classes=answer.shape[1],
        groups=[[trial.maps[name].shape[1] for name in group] for group in groups.values()],
        strides=[max(1, round(a / b)) for a, b in zip(rows, rows[1:] + rows[-1:], strict=True)],
        spatial=spatial,
        temporal=temporal,
        gradient=gradient,
        width=width,
        blocks=blocks,
    )
    reader = MapReader(groups=tuple(map(tuple, groups.values())), copied=trial.copied)
    if isinstance(model, VideoModel):
        token_dim = trial.out.shape[2] if trial.out.ndim == 3 else None
        grown = OffModel(model=model, branch=branch, reader=reader, token_dim=token_dim)
    else:
        grown = OffNet(model=model, branch=branch, reader=reader, of_images=_dims(model) == 2)
    grown.branch.to(answer.device, answer.dtype).train(model.training)
    grown.training = model.training
    _check_identity(grown, trial.clip, answer)
    if not zero_init:
        grown.branch.restart()
    return grown


def _studied(model: nn.Module, at: Sequence[str], example: Tensor | None) -> tuple[Trial, Tensor]:
    """What the network does with a small clip, and its logits (b, k)."""
    names = [at] if isinstance(at, str) else list(at)
    if not names or len(set(names)) < len(names):
        raise ValueError(f"at is {names}; it names one module or more, each once")
    modules = dict(model.named_modules(remove_duplicate=False))
    chosen: dict[nn.Module, str] = {}
    for name in names:
        if (module := module_called(modules, name)) in chosen:
            raise ValueError(f"`{chosen[module]}` and `{name}` are one module; name it once")
        chosen[module] = name
    dims = _dims(model)
    trial = _tried(model, chosen, dims, example)
    _refuse_channels_last(model, chosen, dims, trial)
    return trial, _answer(model, trial.clip, dims)


def _groups(trial: Trial) -> dict[tuple[int, ...], list[str]]:
    """The names of the maps of each size (t, h, w), largest first."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for name, x in sorted(trial.maps.items(), key=lambda pair: -pair[1].shape[3] * pair[1].shape[4]):
        groups.setdefault(tuple(x.shape[2:]), []).append(name)
    return groups


def _dims(model: nn.Module) -> int:
    """2 for a network of images, 3 for one of clips."""
    if isinstance(model, VideoModel):
        return 3
    found = (n for m in model.modules() for kind, n in CONVS.items() if isinstance(m, kind))
    dims = next(found, 0)
    if dims < 2:
        raise ValueError(
            f"{type(model).__name__} {'works in one dimension' if dims else 'has no convolutions'}; flow features need "
            "maps of rows and columns"
        )
    return dims


def _tried(model: nn.Module, chosen: dict[nn.Module, str], dims: int, example: Tensor | None) -> Trial:
    """The first clip that the network takes and that leaves two steps in time everywhere; ValueError where none is."""
    refusal = ValueError(f"no input was found that {type(model).__name__} takes; give one as example=")
    for clip in _clips(model, dims) if example is None else [_as_clip(example)]:
        try:
            return _look(model, chosen, dims, clip)
        except TrialError as error:
            if example is not None:
                raise
            refusal = ValueError(
                f"no input was found that {type(model).__name__} takes, the last one {tuple(clip.shape)}: {error}; "
                "give one as example="
            )
        except OneStepError as error:
            if example is not None:
                raise
            refusal = error
    raise refusal


def _look(model: nn.Module, chosen: dict[nn.Module, str], dims: int, clip: Tensor) -> Trial:
    outs: dict[str, list[Any]] = {}
    versions: list[tuple[str, Tensor, int]] = []

    def tell(_: str, module: nn.Module, out: Any) -> None:
        if (name := chosen.get(module)) is not None:
            outs.setdefault(name, []).append(out)
            if isinstance(out, Tensor):
                versions.append((name, out, out._version))

    runs = Encoding(model) if isinstance(model, VideoModel) else model
    out = watch(runs, fold_time(clip) if dims == 2 else clip, tell)
    clips, frames = len(clip), clip.shape[2]
    ordered = {**outs, **{name: outs.get(name, []) for name in chosen.values()}}  # as they run; then what does not
    by_name = {name: module for module, name in chosen.items()}
    maps = {
        name: as_map(where(name, by_name[name]), found, clips=clips, frames=frames) for name, found in ordered.items()
    }
    copied = frozenset(name for name, x, version in versions if x._version != version)
    return Trial(clip, maps, copied, out)


def _clips(model: nn.Module, dims: int) -> Iterator[Tensor]:
    """Random clips, always the same, small ones first, of as many channels as seems right."""
    first = next((m.in_channels for m in model.modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Conv3d)), 3)
    like = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    sizes, channels = [*SIZES[3], (20, 64, 64), (64, 64, 64)], [first]
    if isinstance(model, VideoModel):
        least = (model.min_frames, model.min_side, model.min_side)
        sizes = [tuple(max(n, m) for n, m in zip(size, least, strict=True)) for size in sizes]
        channels = list(dict.fromkeys((3, 2, 5, first)))
    elif dims == 2:
        sizes = [(FRAMES, *size) for size in SIZES[2]]
    for size in sizes:
        for c in channels:
            numbers = torch.randn(1, c, *size, generator=torch.Generator(device="cpu").manual_seed(0), device="cpu")
            yield numbers.to(like.device, like.dtype)


def _as_clip(example: Tensor) -> Tensor:
    """Images as the frames of one clip; of one image, as two."""
    if example.ndim == 4:
        images = example if len(example) > 1 else example.repeat(2, 1, 1, 1)
        example = images.transpose(0, 1).unsqueeze(0)
    if example.ndim != 5:
        raise ValueError(
            f"example has {example.ndim} axes {tuple(example.shape)}; it is a clip (b, c, t, h, w) or images"
        )
    return example


def _refuse_channels_last(model: nn.Module, chosen: dict[nn.Module, str], dims: int, trial: Trial) -> None:
    """A ValueError where the axis taken for channels grows with the input; a network of one size cannot tell."""
    for clip in other_sizes(trial.clip):
        try:
            maps = _look(model, chosen, dims, clip).maps
        except TrialError:
            continue
        for module, name in chosen.items():
            before, after = trial.maps[name].shape[1], maps[name].shape[1]
            if before != after:
                raise ValueError(
                    f"{where(name, module)} puts out {after} channels for an input of {tuple(clip.shape[2:])} and "
                    f"{before} for one of {tuple(trial.clip.shape[2:])}; name a module whose map has channels on axis 1"
                )
        return


def _answer(model: nn.Module, clip: Tensor, dims: int) -> Tensor:
    """The logits (b, k) of a clip, without the branch."""
    out = watch(model, fold_time(clip) if dims == 2 else clip, lambda name, module, out: None)
    rows = len(clip) * (clip.shape[2] if dims == 2 else 1)
    if not isinstance(out, Tensor) or out.ndim != 2 or len(out) != rows:
        what = tuple(out.shape) if isinstance(out, Tensor) else f"a {type(out).__name__}"
        raise ValueError(
            f"{type(model).__name__} answers {rows} inputs with {what}; a branch is added to logits, ({rows}, classes)"
        )
    return out.unflatten(0, (len(clip), -1)).mean(1) if dims == 2 else out


def _check_identity(grown: OffModel | OffNet, clip: Tensor, answer: Tensor) -> None:
    """A ValueError unless the network with its fresh branch still gives `answer`, bit for bit."""
    try:
        got = watch(grown, clip, lambda name, module, out: None)
    except TrialError as error:
        raise ValueError(f"with a branch the network no longer runs ({error})") from error
    if got.shape != answer.shape or not (got.is_meta or torch.allclose(got, answer, rtol=0, atol=0, equal_nan=True)):
        raise ValueError(
            "with a fresh branch the network answers otherwise than without; its forward is more than to classify what "
            "it encodes, or its maps are not finite"
        )
