import pytest
import torch

from marey.models import LiteResNet3D
from marey.nn import DoubleAttention
from marey.presets import count, find_preset


def test_costs_of_what_the_paper_describes() -> None:
    """No official code fixes them: these are the plain networks' and, closed form, five blocks'."""
    blocks = 0
    for width, many in ((512, 2), (1024, 3)):
        m = width // 4
        blocks += many * (3 * (width * m + m) + m * width + 2 * width)
    assert count(find_preset("a2_r50")).params == count(find_preset("resnet50")).params + blocks
    lite = LiteResNet3D(num_classes=400)
    assert count(find_preset("a2_r50_3d")).params == sum(p.numel() for p in lite.parameters()) + blocks
    assert count(find_preset("a2_r50")).gmacs == pytest.approx(5.2452, abs=1e-3)


def test_two_blocks_stand_in_the_second_stage_and_three_in_the_third() -> None:
    for name in ("a2_r50", "a2_r50_3d"):
        with torch.device("meta"):
            model = find_preset(name).build(num_classes=7)
        places = [name.rsplit("stages.", 1)[1] for name, m in model.named_modules() if isinstance(m, DoubleAttention)]
        assert places == ["stage2.0_unit", "stage2.2_unit", "stage3.0_unit", "stage3.2_unit", "stage3.4_unit"]
