"""Encoders of transformers give what transformers gives, as tokens and maps of ours."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hub_checkpoints import NETWORKS, save
from marey.errors import CheckpointError, MissingExtra
from marey.models.hub_encoder import HubModel, load_encoder
from marey.models.interface import VideoModel
from marey.nn import AttentionHead, LinearHead
from marey.presets import count, create_model, find_preset
from marey.video import ClipSpec

FRAMES = {"timesformer": 3, "xclip": 3, "xclip_vision": 3}  # others: 4, where the network is one of clips


def pixels(kind: str) -> Tensor:
    return torch.randn(2, 3, FRAMES.get(kind, 4), 16, 16)


def loaded(folder: Path, words: str = "") -> VideoModel:
    return create_model(f"hf:{folder}{words}", num_classes=3).eval()


def in_turn(video: Tensor) -> Tensor:
    """Every frame of every clip by itself."""
    return video.transpose(1, 2).flatten(0, 1)


def expected(kind: str, net: Any, video: Tensor) -> Tensor:
    """The tokens (b, t', d), asked of the whole network of transformers that was saved."""
    clips = video.transpose(1, 2)
    if kind in ("videomae", "videomae_classifier", "videomae_pretraining"):
        states = getattr(net, "videomae", net)(clips).last_hidden_state
        return states.unflatten(1, (2, 4)).mean(2)
    if kind in ("vjepa2", "vjepa2_classifier"):
        return getattr(net, "vjepa2", net).get_vision_features(clips).unflatten(1, (2, 4)).mean(2)
    if kind in ("timesformer", "vivit"):
        return getattr(net, kind)(clips).last_hidden_state[:, :1]
    vision = getattr(net, "vision_model", net)
    out = vision(in_turn(video))
    return (out.last_hidden_state[:, 0] if kind == "vit" else out.pooler_output).unflatten(0, (2, -1))


@pytest.mark.parametrize("kind", NETWORKS)
def test_tokens_are_those_of_transformers(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[nn.Module] = []
    build = NETWORKS[kind]
    monkeypatch.setitem(NETWORKS, kind, lambda: made.append(build()) or made[0])
    model, video = loaded(save(tmp_path, kind)), pixels(kind)
    with torch.no_grad():
        torch.testing.assert_close(model.encode(video), expected(kind, made[0].eval(), video))
        torch.testing.assert_close(model(video), model.classify(model.encode(video)))
    assert not any("predictor" in name for name in model.state_dict())


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_map_a_quarter_of_the_blocks(kind: str, tmp_path: Path) -> None:
    maps = loaded(save(tmp_path, kind)).features(pixels(kind))
    times = 2 if kind.startswith(("videomae", "vivit", "vjepa2")) else FRAMES.get(kind, 4)
    width = 24 if kind.startswith("vjepa2") else 16
    assert list(maps) == ["patches", "block1", "block2"]
    assert {tuple(x.shape) for x in maps.values()} == {(2, width, times, 2, 2)}


@pytest.mark.parametrize("kind", ["videomae", "timesformer", "vjepa2", "clip_vision", "dinov3"])
def test_maps_lie_where_the_video_has_it(kind: str, tmp_path: Path) -> None:
    """Of the patches before any attention, only that which is changed in the video changes."""
    model, video = loaded(save(tmp_path, kind)), pixels(kind)
    other = video.clone()
    other[:, :, -1, :8, 8:] += 1
    with torch.no_grad():
        before, after = model.features(video)["patches"], model.features(other)["patches"]
    moved = (before - after).abs().amax((0, 1)) > 1e-6
    assert moved.nonzero().tolist() == [[before.shape[2] - 1, 0, 1]]


def test_networks_of_images_take_any_number_of_frames(tmp_path: Path) -> None:
    model = loaded(save(tmp_path, "clip_vision"))
    video = torch.randn(1, 3, 40, 16, 16)
    assert model.encode(video).shape == (1, 40, 16)
    torch.testing.assert_close(model.encode(video)[:, 7], model.encode(video[:, :, 7:8])[:, 0])


def test_clips_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    model = loaded(save(tmp_path, "videomae"))
    with pytest.raises(ValueError, match="video has 6 frames; this network was built for exactly 4"):
        model(torch.randn(1, 3, 6, 16, 16))
    with pytest.raises(ValueError, match="video is 24 x 24 pixels; this network was built for exactly 16 x 16"):
        model(torch.randn(1, 3, 4, 24, 24))


@pytest.mark.parametrize("kind", NETWORKS)
def test_all_that_is_fine_tuned_gets_a_gradient(kind: str, tmp_path: Path) -> None:
    model = loaded(save(tmp_path, kind), ":finetune").train()
    assert model.get_submodule("encoder.net").training
    model(pixels(kind)).square().sum().backward()
    still = {name for name, p in model.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())}
    # A softmax does not notice a bias of all its keys: what gradient that has is a matter of rounding.
    assert not {name for name in still if "k_proj.bias" not in name and "key.bias" not in name}


def test_a_frozen_encoder_stays_as_it_is(tmp_path: Path) -> None:
    model = loaded(save(tmp_path, "clip")).train()
    assert model.frozen and not model.get_submodule("encoder.net").training and model.get_submodule("head").training
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {"head.fc.fc.weight", "head.fc.fc.bias"}


def test_a_built_network_is_fresh_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    preset = find_preset(f"hf:{save(tmp_path, 'siglip')}")
    states = []
    for _ in range(2):
        torch.manual_seed(1)
        states.append(preset.build(num_classes=3).state_dict())
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
    name = "encoder.net.embeddings.patch_embedding.weight"
    assert not torch.equal(states[0][name], loaded(tmp_path).state_dict()[name])


def test_half_precision_is_read_as_single(tmp_path: Path) -> None:
    save(tmp_path, "vit")
    file = tmp_path / "model.safetensors"
    save_file({name: x.half() for name, x in load_file(file).items()}, file, metadata={"format": "pt"})
    assert {x.dtype for x in loaded(tmp_path).state_dict().values() if x.is_floating_point()} == {torch.float32}


def test_pickles_are_read_too(tmp_path: Path) -> None:
    save(tmp_path, "vit")
    held = load_file(tmp_path / "model.safetensors")
    torch.save(held, tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    own = loaded(tmp_path).state_dict()
    assert torch.equal(own["encoder.net.layernorm.weight"], held["layernorm.weight"])
    assert torch.equal(own["encoder.net.embeddings.cls_token"], held["embeddings.cls_token"])


def test_weights_without_a_tensor_are_refused(tmp_path: Path) -> None:
    save(tmp_path, "videomae")
    file = tmp_path / "model.safetensors"
    held = load_file(file)
    lost = next(name for name in held if name.endswith("patch_embeddings.projection.weight"))
    save_file({name: x for name, x in held.items() if name != lost}, file, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lack 1 tensors of VideoMAEModel \(embeddings.patch_.*\); fetch them"):
        loaded(tmp_path)


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    save(tmp_path, "videomae")
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"its weights cannot be read \(.*\); fetch them anew"):
        loaded(tmp_path)


def test_a_configuration_that_cannot_be_is_refused() -> None:
    build = partial(HubModel, num_classes=3, head=LinearHead, side=16)
    with pytest.raises(CheckpointError, match=r"transformers .* cannot build a CLIP of this config.json \(.*\); fetch"):
        build(config={"model_type": "clip_vision_model", "hidden_size": 10, "num_attention_heads": 3})


def test_without_the_library_a_build_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    preset = find_preset(f"hf:{save(tmp_path, 'vit')}")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra, match=r"not installed; get it with pip install 'marey\[transformers\]'"):
        preset.build(num_classes=3)
    with pytest.raises(MissingExtra, match=r"not installed; get it with pip install 'marey\[transformers\]'"):
        find_preset("hf:someone/something")


def test_the_head_is_any_over_tokens(tmp_path: Path) -> None:
    folder = save(tmp_path, "vjepa2")
    config = find_preset(f"hf:{folder}").arguments["encoder"]
    model = HubModel(num_classes=3, config=config, head=AttentionHead, side=16, frames=4)
    load_encoder(model, folder)
    assert model.eval()(pixels("vjepa2")).shape == (2, 3)


@pytest.mark.parametrize(
    "kind, frames, params, gmacs",
    [
        ("videomae", 16, 86_225_664, 180.345),
        ("vivit", 32, 88_646_400, 451.525),
        ("timesformer", 8, 121_258_752, 195.830),
        ("vjepa2", 64, 303_885_312, None),
    ],
)
def test_encoders_of_real_size_cost_what_is_published(kind: str, frames: int, params: int, gmacs: float | None) -> None:
    """The configurations' own defaults, without the classifier of 400 classes, on the meta device."""
    side = 256 if kind == "vjepa2" else 224
    with torch.device("meta"):
        model = HubModel(num_classes=400, config={"model_type": kind}, head=LinearHead, side=side, frames=frames).eval()
    assert sum(p.numel() for p in model.encoder.parameters()) == params
    if gmacs is not None:
        spec = ClipSpec(frames, 1, side, side, mean=(0.5,) * 3, std=(0.5,) * 3)
        assert count(model, spec).gmacs == pytest.approx(gmacs, abs=1e-3)
