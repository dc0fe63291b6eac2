import pytest
import torch

from marey.nn import SelfGate, SqueezeExcite
from marey.nn.receptive import FieldTrace


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_squeeze_and_excite_weighs_channels_by_their_means(dims: int) -> None:
    gate, x = SqueezeExcite(6, inner=2, dims=dims), torch.randn(2, 6, *[3, 4, 5][:dims])
    mean = x.flatten(2).mean(2)
    squeeze, excite = (getattr(gate.weigh, name) for name in ("squeeze", "excite"))
    hidden = (mean @ squeeze.weight.flatten(1).T + squeeze.bias).relu()
    weight = (hidden @ excite.weight.flatten(1).T + excite.bias).sigmoid()
    torch.testing.assert_close(gate(x), x * weight.reshape(2, 6, *[1] * dims))


def test_self_gate_weighs_channels_by_their_means() -> None:
    gate, x = SelfGate(6), torch.randn(2, 6, 3, 4, 5)
    weight = (x.mean((2, 3, 4)) @ gate.fc.weight.T + gate.fc.bias).sigmoid()
    torch.testing.assert_close(gate(x), x * weight[:, :, None, None, None])


def test_behind_a_gate_every_value_sees_the_whole_input_and_no_more() -> None:
    conv = torch.nn.Conv3d(3, 6, 3, stride=(1, 2, 2), padding=1, device="meta")
    after = torch.nn.Conv3d(6, 6, 3, padding=1, device="meta")
    gate = SqueezeExcite(6, inner=2).to("meta")
    trace, video = FieldTrace(), torch.empty(1, 3, 8, 16, 24, device="meta")
    trace.watch(video)
    with torch.no_grad(), trace:
        before = conv(video)
        gated = gate(before)
        later = after(gated)
    fields = [trace.field(x) for x in (before, gated, later)]
    assert [field.sight[0] for field in fields if field] == [(3, 3, 3), (8, 16, 24), (8, 16, 24)]
