"""Octave convolution (Chen et al., ICCV 2019, arXiv:1904.05049): channels that change slowly in space at half size.

        high --pool s--+--------------- h2h -------------> + --> high
                       |                                   ^
                       +--pool 2-- h2l --> +     l2h --spread 2 / s--+
                                           |      ^
        low ---pool s--- l2l ------------> + -----|------> low
          \\_______________________________________/

Axes: b images or clips, c channels, t frames, h rows, w columns; s is the stride in space. Time is convolved as it is.
As in the authors' code and not in the paper's formula, stride is a mean over s x s places before a convolution of
stride 1, and low values are spread after theirs.
"""

import copy
from collections.abc import Sequence
from fractions import Fraction
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .dimensions import CONVS, Conv, Dims
from .octave_grid import add_spread, shrunk, space_axes, spread
from .octave_map import Octave, merged, split

Size = int | tuple[int, ...]
PLAIN = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class OctConv(nn.Module):
    """In place of `nn.Conv1d`, `nn.Conv2d` (as it comes) or `nn.Conv3d`, whose arguments it takes, with `dims` 1, 2, 3.

    alpha      share of channels kept at half size, 0 to 1, of what comes and of what goes; floor(alpha * channels)
    alpha_in   of what comes only; 0 takes a plain map
    alpha_out  of what goes only; 0 gives a plain map

    Takes an `Octave`, a pair (high, low) or a plain map, which it splits where `alpha_in` is not 0; gives an `Octave`,
    or a plain map where `alpha_out` is 0, of the size that the plain convolution has. It has as many parameters as
    that, bias only once a channel. With as many groups as channels each is convolved by itself, and no frequency
    becomes the other. A ValueError names a stride above 1 that is odd, groups that do not divide both frequencies, and
    padding with other than zeros where it does not keep sizes.
    """

    h2h: nn.Module | None
    h2l: nn.Module | None
    l2h: nn.Module | None
    l2l: nn.Module | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        alpha: float | Fraction = 0.5,
        alpha_in: float | Fraction | None = None,
        alpha_out: float | Fraction | None = None,
        dims: Dims = 2,
    ) -> None:
        super().__init__()
        alpha_in, alpha_out = alpha if alpha_in is None else alpha_in, alpha if alpha_out is None else alpha_out
        low_in, low_out = low_channels(in_channels, alpha_in), low_channels(out_channels, alpha_out)
        plain = (kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype)
        conv = CONVS[dims](in_channels, out_channels, *plain)
        self._divide(conv, low_in, low_out)

    @classmethod
    def of(cls, conv: Conv, *, low_in: int, low_out: int) -> "OctConv":
        """With the weights of a plain convolution, the last so many channels low; of groups, the last of each."""
        self = cls.__new__(cls)
        nn.Module.__init__(self)
        self._divide(conv, low_in, low_out)
        return self.train(conv.training)

    def _divide(self, conv: Conv, low_in: int, low_out: int) -> None:
        space, groups = space_axes(conv.weight.ndim), conv.groups
        self.in_channels, self.out_channels, self.low_in, self.low_out = (
            conv.in_channels,
            conv.out_channels,
            low_in,
            low_out,
        )
        self.stride, self.margin = conv.stride[-space:], _margin(conv)[-space:]
        self.reach = [d * (k - 1) for d, k in zip(conv.dilation, conv.kernel_size, strict=True)][-space:]
        self.cuts = any(self.margin)  # otherwise all sizes come out right by themselves
        if any(s > 1 and s % 2 for s in self.stride):
            raise ValueError(f"stride is {conv.stride}; two frequencies take a stride of 1 or an even one")
        if self.cuts and conv.padding_mode != "zeros" and conv.padding != "valid" and any(conv.padding):
            raise ValueError(
                f"padding {conv.padding} of mode {conv.padding_mode!r} does not keep the size of a map; "
                "two frequencies take such a mode only where it does"
            )
        alone = groups == conv.in_channels > 1
        ins, outs = ((c - low, low) for c, low in ((conv.in_channels, low_in), (conv.out_channels, low_out)))
        if alone and low_in * conv.out_channels != low_out * conv.in_channels:
            raise ValueError(
                f"{low_in} of {conv.in_channels} channels come low and {low_out} of {conv.out_channels} shall go low; "
                "a convolution of each channel by itself keeps its frequency, so give it one alpha"
            )
        uneven = [n for n in (*ins, *outs) if n % groups and not alone]
        if uneven:
            raise ValueError(
                f"{min(uneven)} channels of one frequency cannot be in {groups} groups; take another alpha"
            )
        for a, source in enumerate("hl"):
            for b, target in enumerate("hl"):
                exists = ins[a] and outs[b] and (a == b or not alone)
                biased = alone or not a or not ins[0]
                part = _part(conv, ins, outs, (a, b), alone=alone, biased=biased) if exists else None
                if part is not None and self.cuts:
                    pads = (0,) * len(conv.kernel_size) if isinstance(conv.padding, str) else conv.padding
                    part.padding = (*pads[:-space], *(0,) * space)
                self.register_module(f"{source}2{target}", part)

    def forward(self, x: Tensor | Sequence[Tensor | None]) -> Tensor:
        x, parts = self._taken(x), self._modules
        high, low = (x.high, x.low) if isinstance(x, Octave) else (x, None)
        size = self._size(x) if self.cuts or parts["h2h"] is None else None
        half, out_high, out_low = size and [-(-n // 2) for n in size], None, None
        if high is not None:
            high = shrunk(high, self.stride)
            if (h2h := parts["h2h"]) is not None:
                out_high = self._run(h2h, high, size)
            if (h2l := parts["h2l"]) is not None:
                out_low = self._run(h2l, shrunk(high, (2,) * len(self.stride)), half)
        if low is not None:
            if (l2h := parts["l2h"]) is not None:
                at = half and [h if s == 1 else n for h, n, s in zip(half, size or half, self.stride, strict=True)]
                more = self._run(l2h, shrunk(low, [max(s // 2, 1) for s in self.stride]), at)
                out_high = spread(more, size or ()) if out_high is None else add_spread(out_high, more)
            if (l2l := parts["l2l"]) is not None:
                more = self._run(l2l, shrunk(low, self.stride), half)
                out_low = more if out_low is None else out_low.add_(more)
        if out_low is None:
            assert out_high is not None
            return out_high
        return Octave(out_high, out_low, size and (*out_low.shape[2 : -len(size)], *size))

    def _taken(self, x: Tensor | Sequence[Tensor | None]) -> Tensor:
        """As an octave of as many low channels as the weights are for, or a plain map where that is none."""
        if not isinstance(x, Tensor):
            high, low = x
            x = Octave(high, low) if low is not None else cast(Tensor, high)
        if not self.low_in or not isinstance(x, Octave):
            return split(merged(x), self.low_in)
        if x.low.shape[1] != self.low_in:
            raise ValueError(
                f"{x.low.shape[1]} of {x.shape[1]} channels come low; "
                f"this OctConv takes {self.low_in} low ones of {self.in_channels}"
            )
        return x

    def _size(self, x: Tensor) -> list[int]:
        """The rows and columns that the plain convolution gives."""
        have = x.shape[-len(self.stride) :]
        return [(n - m - 1) // s + 1 for n, m, s in zip(have, self.margin, self.stride, strict=True)]

    def _run(self, conv: nn.Module, x: Tensor, size: Sequence[int] | None) -> Tensor:
        """What a part gives; if it does not keep sizes, of a map cut or padded with zeros so that it gives `size`."""
        if self.cuts and size is not None:
            lack = [n + reach - have for n, reach, have in zip(size, self.reach, x.shape[-len(size) :], strict=True)]
            x = F.pad(x, [side for n in reversed(lack) for side in (n // 2, n - n // 2)])
        return conv(x)

    def extra_repr(self) -> str:
        return f"low {self.low_in} of {self.in_channels} -> {self.low_out} of {self.out_channels}, stride {self.stride}"


def low_channels(channels: int, alpha: float | Fraction) -> int:
    """floor(alpha * channels), the low ones; ValueError for an alpha outside 0..1."""
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha}; the share of low channels is 0 to 1")
    return int(alpha * channels)


def _margin(conv: Conv) -> list[int]:
    """By how many places a convolution of stride 1 makes each axis smaller; kinds with padding of their own by none."""
    if type(conv) not in PLAIN or conv.padding == "same":
        return [0] * len(conv.kernel_size)
    pads = [0] * len(conv.kernel_size) if isinstance(conv.padding, str) else conv.padding
    return [d * (k - 1) - 2 * p for d, k, p in zip(conv.dilation, conv.kernel_size, pads, strict=True)]


def _part(
    conv: Conv, ins: Sequence[int], outs: Sequence[int], way: tuple[int, int], *, alone: bool, biased: bool
) -> Conv:
    """The convolution from one frequency to another: the weights that a plain one has between those channels."""
    a, b = way
    groups = 1 if alone else conv.groups
    weight = conv.weight.detach().unflatten(0, (groups, -1))
    rows = slice(0, outs[0] // groups) if b == 0 else slice(outs[0] // groups, None)
    columns = slice(None) if alone else slice(0, ins[0] // groups) if a == 0 else slice(ins[0] // groups, None)
    part = copy.copy(conv)
    vars(part).update({key: copy.copy(own) for key, own in vars(conv).items() if isinstance(own, dict)})
    part.weight = nn.Parameter(weight[:, rows, columns].flatten(0, 1).clone(), conv.weight.requires_grad)
    if conv.bias is not None:
        bias = conv.bias.detach().unflatten(0, (groups, -1))[:, rows].flatten().clone()
        part.bias = nn.Parameter(bias, conv.bias.requires_grad) if biased else None
    part.in_channels, part.out_channels = ins[a], outs[b]
    part.groups = ins[a] if alone else groups
    part.stride = (*conv.stride[: -space_axes(conv.weight.ndim)], *(1,) * space_axes(conv.weight.ndim))
    return part
