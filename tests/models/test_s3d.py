import pytest
import torch

from marey.models import s3d
from marey.nn import SelfGate
from marey.presets import count, find_preset

GATES = 20  # temporal convolutions: of the stem, of stage 2, and two of each of the nine mixed blocks


def test_costs_are_the_published_ones() -> None:
    cost = count(find_preset("s3d"))
    assert (cost.params, cost.gmacs) == (8_320_048, pytest.approx(17.979, abs=5e-4))


def test_s3d_g_has_a_gate_after_every_temporal_convolution() -> None:
    with torch.device("meta"):
        plain, gated = (dict(s3d(num_classes=5, gated=g).named_modules()) for g in (False, True))
    gates = {name for name, module in gated.items() if isinstance(module, SelfGate)}
    times = {name for name in plain if name.endswith(".time")}
    assert len(gates) == GATES
    assert {name.removesuffix("gate") for name in gates} == {name.removesuffix("time") for name in times}
    assert count(find_preset("s3d_g")).params == 8_320_048 + sum(c * c + c for c in _widths())


def _widths() -> list[int]:
    """Outputs of the temporal convolutions, from the paper's Inception table."""
    mixed = [(128, 32), (192, 96), (208, 48), (224, 64), (256, 64), (288, 64), (320, 128), (320, 128), (384, 128)]
    return [64, 192, *(c for pair in mixed for c in pair)]


def test_open_gates_leave_s3d() -> None:
    gated, plain = (s3d(num_classes=5, gated=g, width=0.125, pool=(1, 1, 1)).eval() for g in (True, False))
    for module in gated.modules():
        if isinstance(module, SelfGate):
            torch.nn.init.zeros_(module.fc.weight)
            torch.nn.init.constant_(module.fc.bias, 50.0)
    state = {name: x for name, x in gated.state_dict().items() if ".gate." not in name}
    plain.load_state_dict(state, strict=True)
    video = torch.randn(1, 3, 8, 32, 32)
    torch.testing.assert_close(gated(video), plain(video))


@pytest.mark.parametrize("frames, positions", [(16, 1), (13, 1), (64, 7), (128, 15)])
def test_positions_in_time(frames: int, positions: int) -> None:
    with torch.device("meta"):
        model = s3d(num_classes=5, width=0.125).eval()
        last = model.features(torch.empty(1, 3, frames, 224, 224))["stage5"]
        assert model.pool(last).shape[2:] == (positions, 1, 1)


def test_the_least_clip_is_told() -> None:
    model = s3d(num_classes=5, width=0.125)
    with pytest.raises(ValueError, match="video has 12 frames; this network needs at least 13"):
        model(torch.zeros(1, 3, 12, 224, 224))
    with pytest.raises(ValueError, match="video is 208 x 224 pixels; this network needs sides of at least 209"):
        model(torch.zeros(1, 3, 13, 208, 224))
    with torch.device("meta"):
        assert s3d(num_classes=5, width=0.125)(torch.empty(1, 3, 13, 209, 209)).shape == (1, 5)
