"""Files that hold more than a network, or less: two heads, networks of sound beside it, images to start from."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from marey.app.cli import main
from marey.errors import CheckpointError
from marey.presets import Misfit, convert_weights, create_model, find_preset
from marey.training import load_checkpoint
from marey.weights import renamed
from official_files import write_torch

SMALL = "motionformer_stage"  # 4 blocks of 96 features, patches of 16 px


def official(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our Motionformer under its official names."""
    rules = (
        (r"patches\.", "patch_embed_3d.proj."),
        (r"image_patches\.", "patch_embed.proj."),
        (r"first\.token", "cls_token"),
        (r"positions\.time", "temp_embed"),
        (r"blocks\.(\d)\.attention\.", r"blocks.\1.attn."),
        (r"fc\.", "head."),
    )
    named = renamed(state, rules=rules)
    named["pos_embed"] = torch.cat([named.pop("first.position"), named.pop("positions.space")], 1)
    return named


def image_vit(width: int = 96, depth: int = 4, places: int = 16) -> dict[str, Tensor]:
    """A ViT of images under timm's names, made for another number of places than the network it shall start."""
    state = {
        "cls_token": torch.randn(1, 1, width),
        "pos_embed": torch.randn(1, places + 1, width),
        "patch_embed.proj.weight": torch.randn(width, 3, 16, 16),
        "patch_embed.proj.bias": torch.randn(width),
        "pre_logits.fc.weight": torch.randn(width, width),
        "pre_logits.fc.bias": torch.randn(width),
        "head.weight": torch.randn(1000, width),
        "head.bias": torch.randn(1000),
    }
    sizes = {"attn.qkv": (3, 1), "attn.proj": (1, 1), "mlp.fc1": (4, 1), "mlp.fc2": (1, 4)}
    for i in range(depth):
        for layer, (out, into) in sizes.items():
            state[f"blocks.{i}.{layer}.weight"] = torch.randn(out * width, into * width)
            state[f"blocks.{i}.{layer}.bias"] = torch.randn(out * width)
        for norm in ("norm1", "norm2"):
            state |= {f"blocks.{i}.{norm}.{kind}": torch.randn(width) for kind in ("weight", "bias")}
    return state | {f"norm.{kind}": torch.randn(width) for kind in ("weight", "bias")}


def test_a_verb_and_a_noun_head_stay_two(tmp_path: Path) -> None:
    model = create_model(SMALL, num_classes=3 + 4)
    state = official(model.state_dict())
    for kind in ("weight", "bias"):
        state[f"head0.{kind}"], state[f"head1.{kind}"] = state.pop(f"head.{kind}").split([3, 4])
    file, out = write_torch(tmp_path / "ek.pyth", state, wrapper="model_state"), tmp_path / "ek.safetensors"
    made = convert_weights(file, out, preset=SMALL)
    assert (made.classes, made.labels, made.fresh, made.left) == (7, "numbered", (), ())
    header, tensors = load_checkpoint(out)
    assert header["labels"] == {
        "verb": ["class 0", "class 1", "class 2"],
        "noun": ["class 0", "class 1", "class 2", "class 3"],
    }
    assert torch.equal(tensors["fc.weight"], model.get_parameter("fc.weight"))
    convert_weights(file, out, preset=SMALL, labels=list("abcdefg"))
    assert load_checkpoint(out)[0]["labels"] == {"verb": ["a", "b", "c"], "noun": ["d", "e", "f", "g"]}
    convert_weights(file, out, preset=SMALL, num_classes=2, new_head=True)
    assert load_checkpoint(out)[0]["labels"] == {"label": ["class 0", "class 1"]}


def test_a_vit_of_images_starts_a_motionformer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = image_vit(places=25)
    file, out = write_torch(tmp_path / "vit.pth", image), tmp_path / "start.safetensors"
    command = ["weights", "convert", str(file), str(out), "--preset", SMALL, "--new-head", "--num-classes", "5"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "names of ViT of images" in said and "tensors that start afresh: positions.time, blocks.0" in said
    model, video = create_model(SMALL, weights=out), torch.randn(1, 3, 16, 64, 64)
    later = torch.nn.functional.conv2d(
        video[:, :, 5], image["patch_embed.proj.weight"], image["patch_embed.proj.bias"], 16
    )
    torch.testing.assert_close(model.get_submodule("patches")(video)[:, :, 2], later, atol=1e-4, rtol=1e-4)
    assert torch.equal(model.get_parameter("blocks.3.attention.qkv.weight"), image["blocks.3.attn.qkv.weight"])
    assert torch.equal(model.get_parameter("pre_logits.fc.bias"), image["pre_logits.fc.bias"])
    assert model.get_parameter("fc.weight").shape == (5, 96)
    header, tensors = load_checkpoint(out)
    assert header["source"]["release"] == "ViT of images"
    convert_weights(file, tmp_path / "again.safetensors", preset=SMALL, new_head=True, num_classes=5)
    again = load_checkpoint(tmp_path / "again.safetensors")[1]
    assert all(torch.equal(tensor, again[name]) for name, tensor in tensors.items())


def test_a_vit_of_images_starts_a_timesformer_that_looks_along_time(tmp_path: Path) -> None:
    image, out = image_vit(), tmp_path / "start.safetensors"
    made = convert_weights(write_torch(tmp_path / "vit.pth", image), out, preset="timesformer_stage", new_head=True)
    assert (made.variant, made.classes) == (None, 24)
    assert "positions.time" in made.fresh and "blocks.1.time_fc.weight" in made.fresh
    held = load_checkpoint(out)[1]
    assert torch.equal(held["blocks.1.time.qkv.weight"], image["blocks.1.attn.qkv.weight"])


def test_a_start_is_asked_for_and_must_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    near = {name: find_preset(name) for name in (SMALL, "videomae_stage")}
    monkeypatch.setattr("marey.presets.fit.PRESETS", near)  # those that a misfit is compared with
    file, out = write_torch(tmp_path / "vit.pth", image_vit()), tmp_path / "start.safetensors"
    with pytest.raises(Misfit, match=f"does not fit {SMALL}"):
        convert_weights(file, out, preset=SMALL)
    with pytest.raises(Misfit, match="does not fit videomae_stage"):
        convert_weights(file, out, preset="videomae_stage", new_head=True)
    deep = write_torch(tmp_path / "deep.pth", image_vit(depth=5))
    with pytest.raises(CheckpointError, match=rf"deep.pth: cannot start {SMALL}: the image network has .* same depth"):
        convert_weights(deep, out, preset=SMALL, new_head=True)
    assert not out.exists()


@pytest.mark.slow
def test_a_network_of_sound_stays_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = create_model("r2plus1d_18", num_classes=2)
    rules = (
        (r"stem\.conv\.space\.", "stem.0."),
        (r"stem\.conv\.norm\.", "stem.1."),
        (r"stem\.conv\.time\.", "stem.3."),
        (r"stem\.norm\.", "stem.4."),
        (r"stages\.stage(\d)\.(\d)\.body\.conv(\d)\.conv\.space\.", r"layer\1.\2.conv\3.0.0."),
        (r"stages\.stage(\d)\.(\d)\.body\.conv(\d)\.conv\.norm\.", r"layer\1.\2.conv\3.0.1."),
        (r"stages\.stage(\d)\.(\d)\.body\.conv(\d)\.conv\.time\.", r"layer\1.\2.conv\3.0.3."),
        (r"stages\.stage(\d)\.(\d)\.body\.conv(\d)\.norm\.", r"layer\1.\2.conv\3.1."),
        (r"stages\.stage(\d)\.(\d)\.shortcut\.conv\.", r"layer\1.\2.downsample.0."),
        (r"stages\.stage(\d)\.(\d)\.shortcut\.norm\.", r"layer\1.\2.downsample.1."),
    )
    video = {
        f"video_network.base.{n}": x for n, x in renamed(model.state_dict(), rules=rules).items() if "fc." not in n
    }
    sound = {
        "audio_network.base.conv1.weight": torch.zeros(64, 1, 7, 7),
        "mlp_v.block_forward.2.weight": torch.zeros(1),
    }
    file, out = tmp_path / "gdt_K400.pth", tmp_path / "gdt.safetensors"
    write_torch(file, video | sound, wrapper="model", prefix="module.")
    command = ["weights", "convert", str(file), str(out), "--preset", "r2plus1d_18"]
    assert main(command) == 2
    assert "only the head differs, so --new-head starts one of 400 classes" in capsys.readouterr().err
    assert main([*command, "--new-head", "--num-classes", "7"]) == 0
    assert "2 tensors of other networks left behind: audio_network.base.conv1.weight, mlp_v" in capsys.readouterr().out
    held = create_model("r2plus1d_18", weights=out)
    assert torch.equal(held.get_parameter("stem.conv.time.weight"), model.get_parameter("stem.conv.time.weight"))
    assert find_preset("r2plus1d_18").classes == 400 and held.get_parameter("fc.weight").shape == (7, 512)


def residual_images(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our small I3D's parent of images under torchvision's names: kernels flat, and nothing of long range."""
    rules = (
        (r"net\.conv1\.conv\.", "conv1."),
        (r"net\.conv1\.norm\.", "bn1."),
        *((rf"net\.res{i + 1}\.block(\d)\.body\.conv(\d)\.conv\.", rf"layer{i}.\1.conv\2.") for i in (1, 2, 3, 4)),
        *((rf"net\.res{i + 1}\.block(\d)\.body\.conv(\d)\.norm\.", rf"layer{i}.\1.bn\2.") for i in (1, 2, 3, 4)),
        *((rf"net\.res{i + 1}\.block(\d)\.shortcut\.conv\.", rf"layer{i}.\1.downsample.0.") for i in (1, 2, 3, 4)),
        *((rf"net\.res{i + 1}\.block(\d)\.shortcut\.norm\.", rf"layer{i}.\1.downsample.1.") for i in (1, 2, 3, 4)),
    )
    flat = {name: x.sum(2) if x.ndim == 5 else x for name, x in state.items() if "non_local" not in name}
    return renamed(flat, rules=rules)


def test_a_residual_network_of_images_starts_one_with_new_blocks_of_long_range(tmp_path: Path) -> None:
    name, out = "i3d_nl1_stage", tmp_path / "out"
    images = residual_images(create_model(name, num_classes=10).state_dict())
    file = write_torch(tmp_path / "resnet.pth", images)
    with pytest.raises(Misfit, match=r"12 missing .*those are blocks that a network of images lacks, and --new"):
        convert_weights(file, out, preset=name)
    made = convert_weights(file, out, preset=name, num_classes=3, new_head=True)
    assert made.release == "torchvision" and "net.conv1.conv.weight" in made.inflated
    assert set(made.fresh) == {"fc.weight", "fc.bias", *(n for n in load_checkpoint(out)[1] if ".non_local1." in n)} - {
        "net.res4.non_local1.norm.num_batches_tracked"
    }
    model = create_model(name, weights=out).eval()
    assert not model.get_parameter("net.res4.non_local1.norm.weight").any()
    kernel = model.get_parameter("net.conv1.conv.weight")
    torch.testing.assert_close(kernel.sum(2), images["conv1.weight"])
    del images["layer2.1.conv1.weight"]
    with pytest.raises(Misfit, match=r"13 missing \(net\.res3\.block1\.body\.conv1\.conv\.weight"):
        convert_weights(write_torch(tmp_path / "w", images), tmp_path / "o", preset=name, num_classes=3, new_head=True)
