"""Recurrence whose state is a map: convolutions where GRU, LSTM and the plain RNN have matrix products.

        step     one frame's map (b, c, h, w), state -> output (b, d, h, w), state after it
        forward  the maps of a clip (b, c, t, h, w)  -> outputs (b, d, t, h, w), from a state of zeros

Both give the same; `forward` convolves the inputs of all frames at once. The state is as large after a thousand frames
as after one. Parameters are named as torch's own cells name theirs, with a kernel's two axes more, and the gates of one
stand below one another: reset, update, candidate (GRU); input, forget, candidate, output (LSTM).
Axes: b clips, c channels, d channels of the state, t frames, h rows, w columns.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .shapes import fold_time, unfold_time

Map = Float[Tensor, "b _ h w"]
Maps = Float[Tensor, "b _ t h w"]
S = TypeVar("S")
State = Any  # a map, or several, each (b, d, h, w)


class ConvRecurrence(nn.Module, ABC):
    """`step` and `forward` as above. `width` is d; a state of None is one of zeros."""

    width: int

    @abstractmethod
    def step(self, x: Map, state: State = None) -> tuple[Map, State]:
        """The output for one frame more, and the state after it."""

    @abstractmethod
    def forward(self, maps: Maps) -> Maps:
        """The outputs for all frames in order."""


@runtime_checkable
class BuildRecurrence(Protocol):
    """A recurrence from maps of `c_in` channels to a state of `width`."""

    def __call__(self, c_in: int, width: int, *, kernel: int) -> ConvRecurrence: ...


class ConvGRU(ConvRecurrence):
    """Gated recurrent unit (Ballas et al., ICLR 2016, arXiv:1511.06432).

            r = sigmoid(W_r * x + U_r * h)
            z = sigmoid(W_z * x + U_z * h)
            n = tanh(W * x + U * (r h))
            h = z h + (1 - z) n

    The paper has z and 1 - z the other way round, which is the same network with the sign of that gate's weights
    changed; ours is PyTorch's way. `reset_after` is cuDNN's form, n = tanh(W * x + r (U * h + b)), which on maps of one
    pixel with a kernel of 1 is `nn.GRU`. 3 (k^2 (c + d) d + d) parameters, `reset_after` 3 d more, as nn.GRU has.
    """

    def __init__(self, c_in: int, width: int, *, kernel: int = 3, reset_after: bool = False) -> None:
        super().__init__()
        self.width, self.reset_after = width, reset_after
        self.weight_ih, self.weight_hh = fresh(c_in, width, kernel, gates=3), fresh(width, width, kernel, gates=3)
        self.bias_ih = nn.Parameter(torch.zeros(3 * width))
        self.bias_hh = nn.Parameter(torch.zeros(3 * width)) if reset_after else None

    def step(self, x: Map, state: Tensor | None = None) -> tuple[Map, Tensor]:
        return self._advance(self._drive(x), state)

    def forward(self, maps: Maps) -> Maps:
        return over_time(self._drive, self._advance, maps)

    def _drive(self, x: Map) -> Map:
        return convolved(x, self.weight_ih, self.bias_ih)

    def _advance(self, driven: Map, state: Tensor | None) -> tuple[Map, Tensor]:
        h = zeros(driven, self.width) if state is None else state
        parts = [2 * self.width, self.width]  # the two gates, the candidate
        gates, new = driven.split(parts, 1)
        if self.reset_after:
            of_gates, of_new = convolved(h, self.weight_hh, self.bias_hh).split(parts, 1)
            r, z = (gates + of_gates).sigmoid().chunk(2, 1)
            new = (new + r * of_new).tanh()
        else:
            to_gates, to_new = self.weight_hh.split(parts)
            r, z = (gates + convolved(h, to_gates)).sigmoid().chunk(2, 1)
            new = (new + convolved(r * h, to_new)).tanh()
        h = torch.lerp(new, h, z)
        return h, h


class ConvLSTM(ConvRecurrence):
    """Long short-term memory (Shi et al., NIPS 2015, arXiv:1506.04214).

            i, f = sigmoid(W * x + U * h + p c)      o = sigmoid(W_o * x + U_o * h + p_o c_new)
            c_new = f c + i tanh(W_c * x + U_c * h)  h = o tanh(c_new)

    `peephole` keeps the paper's p, a weight a channel here, the paper's a weight a channel and place, which ties it to
    one size; without it, on maps of one pixel with a kernel of 1, it is `nn.LSTM` with the sum of its two biases. The
    bias of the forget gate begins at 1 (Jozefowicz et al., ICML 2015). The state is (h, c).
    4 (k^2 (c + d) d + d) parameters, `peephole` 3 d more.
    """

    def __init__(self, c_in: int, width: int, *, kernel: int = 3, peephole: bool = False) -> None:
        super().__init__()
        self.width = width
        self.weight_ih, self.weight_hh = fresh(c_in, width, kernel, gates=4), fresh(width, width, kernel, gates=4)
        bias = torch.zeros(4, width)
        bias[1] = 1.0
        self.bias_ih = nn.Parameter(bias.flatten())
        self.peephole = nn.Parameter(torch.zeros(3 * width)) if peephole else None

    def step(self, x: Map, state: tuple[Tensor, Tensor] | None = None) -> tuple[Map, tuple[Tensor, Tensor]]:
        return self._advance(self._drive(x), state)

    def forward(self, maps: Maps) -> Maps:
        return over_time(self._drive, self._advance, maps)

    def _drive(self, x: Map) -> Map:
        return convolved(x, self.weight_ih, self.bias_ih)

    def _advance(self, driven: Map, state: tuple[Tensor, Tensor] | None) -> tuple[Map, tuple[Tensor, Tensor]]:
        h, c = (zeros(driven, self.width),) * 2 if state is None else state
        i, f, new, o = (driven + convolved(h, self.weight_hh)).chunk(4, 1)
        if self.peephole is None:
            c = f.sigmoid() * c + i.sigmoid() * new.tanh()
        else:
            p_i, p_f, p_o = self.peephole.view(3, -1, 1, 1).unbind()
            c = (f + p_f * c).sigmoid() * c + (i + p_i * c).sigmoid() * new.tanh()
            o = o + p_o * c
        h = o.sigmoid() * c.tanh()
        return h, (h, c)


class ConvRNN(ConvRecurrence):
    """The plain one, h = tanh(W * x + U * h + b), with k^2 (c + d) d + d parameters."""

    def __init__(self, c_in: int, width: int, *, kernel: int = 3) -> None:
        super().__init__()
        self.width = width
        self.weight_ih, self.weight_hh = fresh(c_in, width, kernel, gates=1), fresh(width, width, kernel, gates=1)
        self.bias_ih = nn.Parameter(torch.zeros(width))

    def step(self, x: Map, state: Tensor | None = None) -> tuple[Map, Tensor]:
        return self._advance(self._drive(x), state)

    def forward(self, maps: Maps) -> Maps:
        return over_time(self._drive, self._advance, maps)

    def _drive(self, x: Map) -> Map:
        return convolved(x, self.weight_ih, self.bias_ih)

    def _advance(self, driven: Map, state: Tensor | None) -> tuple[Map, Tensor]:
        h = driven.tanh() if state is None else (driven + convolved(state, self.weight_hh)).tanh()
        return h, h


def over_time(drive: Callable[[Map], Map], advance: Callable[[Map, S | None], tuple[Map, S]], maps: Maps) -> Maps:
    """Outputs for the frames of a clip: `drive` is what only needs the input, `advance` goes from state to state."""
    state, outputs = None, []
    for driven in unfold_time(drive(fold_time(maps)), maps.shape[2]).unbind(2):
        output, state = advance(driven, state)
        outputs.append(output)
    return torch.stack(outputs, 2)


def fresh(c_in: int, width: int, kernel: int, *, gates: int) -> nn.Parameter:
    """Kernels of `gates` convolutions below one another, each orthogonal (Saxe et al., 2014) as a matrix."""
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"kernel is {kernel}; a state keeps its size under odd ones only")
    weight = torch.empty(gates * width, c_in, kernel, kernel)
    for gate in weight.chunk(gates):
        nn.init.orthogonal_(gate)
    return nn.Parameter(weight)


def convolved(x: Map, weight: Tensor, bias: Tensor | None = None) -> Map:
    """A convolution that keeps the size."""
    return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)


def zeros(like: Map, width: int) -> Map:
    return like.new_zeros(like.shape[0], width, *like.shape[2:])
