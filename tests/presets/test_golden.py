"""Our networks answer as the official ones do, weight for weight."""

import pytest
import torch
from golden_pairs import read_golden

from marey.presets import find_preset
from marey.weights import RELEASES

SLOW = {"tv_r2plus1d_18"}
NAMES = ["fishnet99", "fishnet150", "tv_r2plus1d_18", "tv_r3d_18", "tv_resnet50"]


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in NAMES])
def test_torchvision_weights_give_torchvision_logits(name: str) -> None:
    golden = read_golden(name)
    expected = golden.facts["output"]
    model = find_preset(golden.facts["preset"]).build(num_classes=expected["n"])
    (release,) = (r for r in RELEASES if r.fits(golden.state))
    model.load_state_dict(release.translate(golden.state), strict=True)
    assert sum(p.numel() for p in model.parameters()) == golden.facts["params"]
    with torch.inference_mode():
        (logits,) = model.eval()(*golden.inputs.values())
    tolerance = 1e-3 * expected["std"]
    torch.testing.assert_close(logits[:12], torch.tensor(expected["head"]), atol=tolerance, rtol=0)
    assert logits.mean().item() == pytest.approx(expected["mean"], abs=tolerance)
    assert logits.std().item() == pytest.approx(expected["std"], abs=tolerance)
    assert logits.abs().max().item() == pytest.approx(expected["abs_max"], abs=tolerance)
    assert logits.argmax().item() == expected["argmax"]
