"""Receptive fields through any graph: which part of the input each tensor of a forward pass can see.

Within a `FieldTrace`, every tensor that comes out of a watched video has a `Field`: which of its dimensions hold time,
rows or columns, through every reshape, and the span of the input that one of its values sees along each of them. So
padding, slices, differences, branches (their union) and frames folded into batch or channels come out right. What
mixes a whole axis (a mean, a linear layer, an attention over it) sees the whole input along it. A span may reach past
the input, where the network sees its own padding; `Field.sight` counts the input alone.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry
from torch.utils.weak import WeakTensorKeyDictionary

from .field_rules import rule_of
from .fields import Field

aten = torch.ops.aten
# On the meta device these change nothing, and take most of the time.
IN_PLACE = {aten.relu_, aten.hardtanh_, aten.sigmoid_, aten.tanh_, aten.silu_}


class FieldTrace(TorchDispatchMode):
    """`with trace: model(video)` on the meta device follows the fields of all tensors from the watched ones on.

    `macs` adds up the multiply-adds of convolutions and matrix products, as `torch.utils.flop_counter` counts them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fields = WeakTensorKeyDictionary()
        self.macs = 0

    def watch(self, video: Tensor) -> None:
        """Begin with a video (b, c, t, h, w)."""
        self.fields[video] = Field.of_video(tuple(video.shape))

    def field(self, tensor: Tensor) -> Field | None:
        """What a tensor sees, or None where nothing of it comes from a watched video."""
        return self.fields.get(tensor)

    def recur(self, x: Tensor, out: Tensor) -> None:
        """`out` comes from a recurrent network over dimension 1 of `x`: its last step sees all of that."""
        field = self.fields[x]
        self.fields[out] = field.with_dim(2, (("", out.shape[2]),)).mixed(field.axes(1))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs, packet = kwargs or {}, func._overloadpacket
        if packet in IN_PLACE and args[0].is_meta:
            out = args[0]
        elif packet is aten.native_batch_norm and args[0].is_meta:
            out = (torch.empty_like(args[0]), args[0].new_empty(0), args[0].new_empty(0))
        else:
            out = func(*args, **kwargs)
        if packet in flop_registry:
            self.macs += flop_registry[packet](*args, **kwargs, out_val=out) // 2
        inputs = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor) and x in self.fields]
        if inputs:
            outputs = [x for x in tree_leaves(out) if isinstance(x, Tensor)]
            found = list(rule_of(func)(self.fields, inputs, args, out))
            for tensor, field in zip(outputs, found, strict=True):
                self.fields[tensor] = field
        return out
