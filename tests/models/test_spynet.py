import re
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from marey.app.cli import main
from marey.errors import CheckpointError, UsageError
from marey.models import SPyNet, spynet_flow
from marey.nn import warp
from marey.presets import convert_weights, load_spynet

WIDTHS = (8, 32, 64, 32, 16, 2)


def silent(levels: int = 4) -> SPyNet:
    model = SPyNet(levels=levels)
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model


def test_it_has_the_released_size() -> None:
    model = SPyNet()
    assert sum(p.numel() for p in model.parameters()) == 960_200
    assert [p.shape[0] for p in model.levels[0].parameters() if p.ndim == 4] == list(WIDTHS[1:])


@pytest.mark.parametrize("h, w", [(16, 32), (33, 50), (1, 7)])
def test_silent_weights_see_no_motion_at_any_size(h: int, w: int) -> None:
    pair = torch.rand(2, 2, 3, h, w)
    assert torch.equal(silent()(pair[0], pair[1]), torch.zeros(2, 2, h, w))


def test_a_coarse_vector_grows_from_level_to_level() -> None:
    """The coarsest level adds a pixel to the right and half a pixel up; every later one doubles what it is given."""
    model = silent(levels=3)
    last = model.levels[0].get_submodule("conv5")
    last.get_parameter("bias").data[:] = torch.tensor([1.0, -0.5])
    flow = model(torch.rand(1, 3, 16, 24), torch.rand(1, 3, 16, 24))
    torch.testing.assert_close(flow, torch.tensor([4.0, -2.0]).view(1, 2, 1, 1).expand(1, 2, 16, 24))
    odd = model(torch.rand(1, 3, 12, 20), torch.rand(1, 3, 12, 20))  # stretched to 16 x 24, and back
    expected = torch.tensor([4.0 * 20 / 24, -2.0 * 12 / 16])
    torch.testing.assert_close(odd, expected.view(1, 2, 1, 1).expand(1, 2, 12, 20))


def test_each_level_sees_the_second_picture_through_the_flow_so_far() -> None:
    """A level that subtracts what it sees of the two pictures sees no difference once the flow is right."""
    model, coarse = silent(levels=2), 2.0
    model.levels[0].get_submodule("conv5").get_parameter("bias").data[0] = coarse
    seen: list[Tensor] = []
    model.levels[1].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    first = torch.rand(1, 3, 16, 32)
    second = first.roll(4, 3)  # 4 pixels to the right, as 2 at half the size
    model(first, second)
    torch.testing.assert_close(seen[0][:, :3, :, :-4], seen[0][:, 3:6, :, :-4], atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[0][:, 6], torch.full((1, 16, 32), 2 * coarse))


@pytest.mark.parametrize("x, y", [(0, 0), (3, 0), (-2, 1), (0, -4)])
def test_warping_by_whole_pixels_is_a_shift_with_the_border_repeated(x: int, y: int) -> None:
    picture = torch.rand(2, 3, 9, 11)
    flow = torch.tensor([x, y], dtype=torch.float32).view(1, 2, 1, 1).expand(2, 2, 9, 11)
    rows, columns = (torch.arange(9) + y).clamp(0, 8), (torch.arange(11) + x).clamp(0, 10)
    torch.testing.assert_close(warp(picture, flow), picture[:, :, rows][..., columns], atol=1e-5, rtol=0)


def test_warping_by_half_a_pixel_is_the_mean_of_neighbours() -> None:
    picture = torch.rand(1, 1, 5, 6)
    flow = torch.zeros(1, 2, 5, 6)
    flow[:, 0] = 0.5
    expected = (picture[..., :-1] + picture[..., 1:]) / 2
    torch.testing.assert_close(warp(picture, flow)[..., :-1], expected, atol=1e-5, rtol=0)
    assert warp(torch.rand(1, 2, 1, 1), torch.ones(1, 2, 1, 1)).shape == (1, 2, 1, 1)


def test_frames_in_and_flow_out_are_as_of_the_other_methods() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 20, 30, 3), dtype=np.uint8)
    model = SPyNet(levels=2).eval()
    flow = spynet_flow(model, a, b)
    assert flow.shape == (20, 30, 2) and flow.dtype == np.float32
    first, second = (torch.from_numpy(f).permute(2, 0, 1).unsqueeze(0).float() / 255 for f in (a, b))
    with torch.no_grad():
        np.testing.assert_array_equal(flow, model(first, second)[0].permute(1, 2, 0).numpy())


def arrays(levels: int) -> dict[str, np.ndarray]:
    rng, found = np.random.default_rng(1), {}
    for level in range(1, levels + 1):
        for i, (c_in, c_out) in enumerate(pairwise(WIDTHS), start=1):
            name = f"modelL{level}_F-{i}"
            found[f"{name}-weight"] = rng.normal(0, 0.02, (c_out, c_in, 7, 7)).astype(np.float32)
            found[f"{name}-bias"] = rng.normal(0, 0.02, c_out).astype(np.float32)
    return found


def packed(path: Path, found: dict[str, np.ndarray]) -> Path:
    """As `zip` packs a folder of .npy files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in found.items():
            with archive.open(f"flow_pretrain_np/{name}.npy", "w") as file:
                np.lib.format.write_array(file, array)
    return path


def test_the_released_arrays_convert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = arrays(6)
    source, out = packed(tmp_path / "spynet.zip", found), tmp_path / "spynet.safetensors"
    assert main(["weights", "convert", str(source), str(out), "--preset", "spynet"]) == 0
    told = capsys.readouterr().out
    assert "names of SPyNet, 40 tensors, 960,200 parameters" in told and "spynet, a network of optical flow" in told
    model = load_spynet(out)
    assert not model.training
    for level in range(4):
        for part in ("weight", "bias"):
            held = model.levels[level].get_submodule("conv3").get_parameter(part)
            np.testing.assert_array_equal(held.detach().numpy(), found[f"modelL{level + 1}_F-3-{part}"])
    np.savez(tmp_path / "again.npz", allow_pickle=False, **found)
    made = convert_weights(tmp_path / "again.npz", tmp_path / "again.safetensors")
    assert (made.preset, made.release, made.format, made.classes) == ("spynet", "SPyNet", "numpy", 0)


@pytest.mark.parametrize("prefix", ["opticFlow.", ""])
def test_the_names_of_dvc_convert(tmp_path: Path, prefix: str) -> None:
    state = {}
    for name, array in arrays(4).items():
        level, conv, part = re.fullmatch(r"modelL(\d)_F-(\d)-(\w+)", name).groups()
        state[f"{prefix}moduleBasic.{int(level) - 1}.conv{conv}.{part}"] = torch.from_numpy(array)
    codec = {"mvEncoder.conv1.weight": torch.zeros(3, 2)} if prefix else {}
    torch.save(state | codec, tmp_path / "dvc.model")
    made = convert_weights(tmp_path / "dvc.model", tmp_path / "out.safetensors")
    assert (made.preset, made.release, made.params) == ("spynet", "DVC", 960_200)
    held = load_spynet(tmp_path / "out.safetensors").levels[2].get_submodule("conv5").get_parameter("weight")
    assert torch.equal(held, state[f"{prefix}moduleBasic.2.conv5.weight"])


def test_what_is_not_spynet_is_refused(tmp_path: Path) -> None:
    lacking = arrays(3)
    with pytest.raises(CheckpointError, match=r"does not fit SPyNet: of its tensors 10 missing \(levels\.3\.conv1"):
        convert_weights(packed(tmp_path / "three.zip", lacking), tmp_path / "out.safetensors", preset="spynet")
    torch.save({"fc.weight": torch.zeros(2, 2)}, tmp_path / "other.pth")
    with pytest.raises(
        CheckpointError, match=r"has none of the names of SPyNet .* pack the release's arrays with `zip"
    ):
        convert_weights(tmp_path / "other.pth", tmp_path / "out.safetensors", preset="spynet")
    with pytest.raises(UsageError, match="spynet computes optical flow, which has no classes; leave labels"):
        convert_weights(tmp_path / "three.zip", tmp_path / "out.safetensors", preset="spynet", num_classes=3)
    assert not (tmp_path / "out.safetensors").exists()


def test_another_checkpoint_is_no_flow_network(tmp_path: Path) -> None:
    from marey.presets import create_model, find_preset
    from marey.training import save_checkpoint

    model, preset = create_model("single_frame_stage"), find_preset("single_frame_stage")
    header = {"preset": preset.name, "arguments": {}, "clip": preset.clip.to_dict(), "labels": {}, "metrics": {}}
    save_checkpoint(tmp_path / "m.safetensors", model, header)
    with pytest.raises(
        CheckpointError, match="is of preset single_frame_stage, which computes no flow; convert SPyNet's"
    ):
        load_spynet(tmp_path / "m.safetensors")
