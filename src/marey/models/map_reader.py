"""The maps of a network, any, as its modules put them out while it runs on clips.

A network of images sees the frames of all clips as a batch of images, at once or part by part, and its maps come back
with an axis of time. Axes: b clips, c channels, t frames, h rows, w columns, n images.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..nn import merged, unfold_time
from .trial import where

Outs = dict[str, list[Any]]  # what each module put out, call by call


class OneStepError(ValueError):
    """A map has one step in time, or none."""


@dataclass(frozen=True)
class MapReader:
    """Modules by name, in groups; `copied` are those whose maps the network goes on to change in place."""

    groups: tuple[tuple[str, ...], ...]
    copied: frozenset[str] = frozenset()

    @contextmanager
    def heard(self, model: nn.Module) -> Iterator[Outs]:
        """What the modules of `model` put out while the context lasts."""
        found: Outs = {name: [] for group in self.groups for name in group}

        def hear(name: str, out: Any) -> None:
            found[name].append(out.clone() if name in self.copied else out)

        handles = [
            model.get_submodule(name).register_forward_hook(lambda module, args, out, name=name: hear(name, out))
            for name in found
        ]
        try:
            yield found
        finally:
            for handle in handles:
                handle.remove()

    def maps(self, model: nn.Module, found: Outs, *, clips: int, frames: int) -> list[list[Tensor]]:
        """Maps (b, c, t, h, w), group by group; see `as_map`."""
        return [
            [as_map(where(name, model.get_submodule(name)), found[name], clips=clips, frames=frames) for name in group]
            for group in self.groups
        ]


def as_map(place: str, outs: Sequence[Any], *, clips: int, frames: int) -> Float[Tensor, "b c t h w"]:
    """One map of a number of clips of so many frames, from what the module that `place` names put out.

    ValueError where that is no map of each frame, OneStepError where the map has less than 2 steps in time.
    """
    if not outs:
        raise ValueError(f"{place} does not run before the network's classifier; name a module that does")
    for out in outs:
        if not isinstance(out, Tensor) or out.ndim not in (4, 5):
            what = tuple(out.shape) if isinstance(out, Tensor) else f"a {type(out).__name__}"
            raise ValueError(f"{place} puts out {what}; flow features need one map (n, c, h, w) or (b, c, t, h, w)")
    x = merged(outs[0]) if len(outs) == 1 else torch.cat([merged(out) for out in outs])
    if x.ndim == 5 and len(x) == clips * frames and x.shape[2] == 1:
        x = x.squeeze(2)
    if x.ndim == 4 and len(x) == clips * frames:
        x = unfold_time(x, frames)
    if x.ndim != 5 or len(x) != clips:
        raise ValueError(
            f"{place} puts out {len(outs)} of {tuple(outs[0].shape)} for {clips} x {frames} frames; flow features need "
            "one map a frame, so name a module that runs once, before the frames are merged"
        )
    if x.shape[2] < 2:
        raise OneStepError(
            f"{place} has {x.shape[2]} step in time left of {frames} frames; flow features need 2, so give more frames "
            "or name an earlier module"
        )
    return x
