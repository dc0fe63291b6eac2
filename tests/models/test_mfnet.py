from pathlib import Path

import pytest
import torch
from torch import Tensor

from marey.app.cli import main
from marey.presets import count, create_model, find_preset


@pytest.mark.parametrize("name, params, gmacs", [("mfnet_3d", 7_996_368, 11.0454), ("mfnet_2d", 5_716_488, 0.859380)])
def test_costs_of_the_released_networks(name: str, params: int, gmacs: float) -> None:
    """The paper has 8.0 M, 11.1 G for clips and 5.8 M, 861 M for images."""
    cost = count(find_preset(name))
    assert cost.params == params
    assert cost.gmacs == pytest.approx(gmacs, rel=1e-5)


@pytest.mark.parametrize("classes, params", [(101, 7_766_437), (51, 7_727_987)])
def test_parameters_with_other_heads(classes: int, params: int) -> None:
    with torch.device("meta"):
        model = find_preset("mfnet_3d").build(num_classes=classes)
    assert sum(p.numel() for p in model.parameters()) == params
    assert len(model.state_dict()) == 421


@pytest.mark.parametrize("frames", [15, 17])
def test_any_other_number_of_frames_is_refused(frames: int) -> None:
    model = find_preset("mfnet_3d").mini.build(num_classes=3)
    with pytest.raises(ValueError, match=f"video has {frames} frames; this network was built for exactly 16"):
        model(torch.randn(1, 3, frames, 16, 16))


def flat(golden_keys: str, classes: int) -> dict[str, Tensor]:
    """A file of the network of images, under the names of the 3D one: no kernel has an extent in time."""
    path, state = Path(__file__).parents[1] / "golden" / golden_keys, {}
    generator = torch.Generator().manual_seed(1)
    for row in path.read_text().splitlines():
        name, _, sizes = row.partition("\t")
        shape = [int(n) for n in sizes.split(",") if n]
        if len(shape) == 5:
            del shape[2]
        elif name.startswith("classifier."):
            shape[0] = classes
        counter = name.endswith("num_batches_tracked")
        state[f"module.{name}"] = torch.tensor(0) if counter else torch.rand(shape, generator=generator) + 0.1
    return state


def test_the_released_network_of_images_loads_and_inflates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = flat("mfnet_3d.keys.tsv", 1000)
    torch.save({"state_dict": state}, tmp_path / "MFNet2D.pth")
    for preset in ("mfnet_2d", "mfnet_3d"):
        out = str(tmp_path / f"{preset}.safetensors")
        new_head = ["--new-head"] if preset == "mfnet_3d" else []
        code = main(["weights", "convert", str(tmp_path / "MFNet2D.pth"), out, "--preset", preset, *new_head])
        assert code == 0, capsys.readouterr().err
    images, clips = (create_model(name, weights=tmp_path / f"{name}.safetensors") for name in ("mfnet_2d", "mfnet_3d"))
    kernel = state["module.conv2.B01.conv_m1.conv.weight"]
    held = images.state_dict()["encoder.stages.stage1.0.conv1.conv.weight"]
    assert torch.equal(held, kernel)
    assert torch.allclose(clips.state_dict()["stages.stage1.0.conv1.conv.weight"].sum(2), kernel)
