"""`hf:` names: where they lead, what the files beside the weights say, and what is refused."""

import json
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
import torch

from hub_checkpoints import NETWORKS, into_cache, save
from marey.errors import CheckpointError, UsageError
from marey.presets import count, create_model, find_preset, preset_in
from marey.presets.hub import parse_hub_name
from marey.presets.hub_clip import PROCESSORS, clip_spec
from marey.training import load_checkpoint, save_checkpoint
from marey.video import ClipSpec


def spec_of(folder: Path, stated: dict[str, Any], *, file: str = "preprocessor_config", clips: bool = True) -> ClipSpec:
    (folder / f"{file}.json").write_text(json.dumps(stated))
    return clip_spec(folder, usual="VideoMAE" if clips else "CLIP", clips=clips, side=16, frames=4)


def config(folder: Path, **settings: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


@pytest.mark.parametrize(
    "name, source, head, finetune",
    [
        ("hf:MCG-NJU/videomae-base", "MCG-NJU/videomae-base", "linear", False),
        ("hf:MCG-NJU/videomae-base:attention", "MCG-NJU/videomae-base", "attention", False),
        ("hf:MCG-NJU/videomae-base:finetune", "MCG-NJU/videomae-base", "mean", True),
        ("hf:/models/a:b:lstm:finetune", "/models/a:b", "lstm", True),
        ("hf:./here:finetune:tcn", "./here", "tcn", True),
    ],
)
def test_a_name_says_source_head_and_whether_all_learns(name: str, source: str, head: str, finetune: bool) -> None:
    parsed = parse_hub_name(name)
    assert (parsed.source, parsed.head, parsed.finetune) == (source, head, finetune)


@pytest.mark.parametrize("name, what", [("hf:", "names no checkpoint"), ("hf:a/b:mean:lstm", "names 2 heads")])
def test_a_name_that_is_none_is_refused(name: str, what: str) -> None:
    with pytest.raises(UsageError, match=rf"'{name}' {what}; write hf:OWNER/NAME or hf:FOLDER, then :HEAD \(linear, "):
        find_preset(name)


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_kind_is_a_preset(kind: str, tmp_path: Path) -> None:
    name = f"hf:{save(tmp_path, kind)}"
    preset = find_preset(name)
    assert preset.name == name and preset.frozen and preset.linear and preset.lr is None
    assert preset.clip.side_px == 16 and preset.clip.sampling == "uniform"
    frames = {"timesformer": 3, "xclip": 3, "xclip_vision": 3, "clip": 8, "siglip": 8, "vit": 8}
    assert preset.clip.frames == frames.get(kind, 8 if kind.startswith(("dino", "clip")) else 4)
    held = create_model(name, num_classes=3)
    assert count(held, preset.clip).params == sum(p.numel() for p in held.parameters())


def test_fine_tuning_and_heads_are_asked_for_by_name(tmp_path: Path) -> None:
    folder = save(tmp_path, "clip_vision")
    whole, attentive = find_preset(f"hf:{folder}:finetune"), find_preset(f"hf:{folder}:attention")
    assert not whole.frozen and not whole.linear and whole.lr == 5e-5
    assert attentive.frozen and not attentive.linear
    video = torch.randn(2, 3, 8, 16, 16)
    for word in ("linear", "mean", "attention", "difference", "lstm", "tcn"):
        model = create_model(f"hf:{folder}:{word}:finetune", num_classes=3)
        assert model(video).shape == (2, 3) and not model.frozen


def test_a_head_that_compares_tokens_needs_some(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="wants the difference head, which needs 2 tokens, and a ViViT gives one a cl"):
        find_preset(f"hf:{save(tmp_path, 'vivit')}:difference")


def test_a_checkpoint_is_found_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    into_cache(tmp_path, "someone/videomae-tiny", "videomae", monkeypatch)
    assert find_preset("hf:someone/videomae-tiny").family == "VideoMAE"
    assert create_model("hf:someone/videomae-tiny:finetune", num_classes=3)(torch.zeros(1, 3, 4, 16, 16)).shape == (
        1,
        3,
    )


@pytest.mark.parametrize("name", ["nobody/nothing", "bert-base-uncased"])
def test_what_is_not_in_the_cache_is_told_with_the_command_that_fetches_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match=f"^{name} is not in the cache {tmp_path}; fetch it with: hf download {name}$"):
        create_model(f"hf:{name}:finetune")


@pytest.mark.parametrize("source", ["/no/such/folder", "./nothing", "a/b/c", "a b/c"])
def test_a_folder_that_is_not_there_is_refused(source: str) -> None:
    with pytest.raises(UsageError, match=f"^{source} is no folder; write hf:OWNER/NAME, or hf: and a folder that exi"):
        find_preset(f"hf:{source}")


@pytest.mark.parametrize(
    "settings, what",
    [
        ({"model_type": "bert", "vocab_size": 30522}, r"an encoder of text \(bert\), not of video"),
        ({"model_type": "clip_text_model", "vocab_size": 9}, r"an encoder of text \(clip_text_model\)"),
        ({"model_type": "wav2vec2", "vocab_size": 32, "feat_extract_norm": "group"}, r"an encoder of sound \(wav2vec2"),
        ({"model_type": "clap", "text_config": {}, "audio_config": {}}, r"an encoder of sound \(clap\)"),
        ({"model_type": "detr", "num_channels": 3}, r"of a kind \(detr\) that Marey does not read"),
        ({"model_type": "mine", "auto_map": {"AutoModel": "code.Mine"}}, r"of a kind \(mine\) that Marey does not r"),
        ({}, r"of a kind \(None\)"),
    ],
)
def test_encoders_of_other_things_are_refused(settings: dict[str, Any], what: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"is {what}.*; Marey reads VideoMAE, TimeSformer, ViViT, V-JEPA 2, X-CLIP, "):
        find_preset(f"hf:{config(tmp_path, **settings)}")


def test_a_folder_without_a_configuration_or_weights_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CheckpointError, match=r"has no config.json; give a folder that save_pretrained wrote"):
        find_preset(f"hf:{tmp_path}")
    into_cache(tmp_path / "hub", "someone/tiny", "vit", monkeypatch)
    (weights,) = (tmp_path / "hub").rglob("model.safetensors")
    weights.unlink()
    with pytest.raises(
        CheckpointError, match=r"has no weights \(model.safetensors or .*\); fetch it with: hf download someone/tiny$"
    ):
        find_preset("hf:someone/tiny")


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_damaged_configuration_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(
        CheckpointError, match=r"config.json (cannot be read \(.*\)|holds no JSON object); fetch it anew"
    ):
        find_preset(f"hf:{tmp_path}")


@pytest.mark.parametrize("value", ["224", 0, [224, 112], None])
def test_sizes_must_be_numbers(value: Any, tmp_path: Path) -> None:
    config(tmp_path, model_type="videomae", image_size=value)
    with pytest.raises(CheckpointError, match=r"config.json has image_size .*; it must be a whole number of 1 or more"):
        find_preset(f"hf:{tmp_path}")


def test_files_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    crop = {"size": {"shortest_edge": 32}, "crop_size": {"height": 24, "width": 24}}
    with pytest.raises(CheckpointError, match="its processor makes clips of 24 px, and its network wants 16 px"):
        find_preset(f"hf:{save(tmp_path / 'a', 'videomae', crop)}")
    odd = {"size": {"shortest_edge": 32}, "crop_size": {"height": 20, "width": 20}}
    with pytest.raises(CheckpointError, match="makes clips of 20 px, and its network wants sides that divide by 8"):
        find_preset(f"hf:{save(tmp_path / 'b', 'dinov2', odd)}")
    larger = find_preset(f"hf:{save(tmp_path / 'c', 'dinov2', crop)}")
    assert larger.clip.side_px == 24 and larger.clip.short_px == 32
    model = larger.build(num_classes=3)
    assert model(torch.zeros(1, 3, 2, 24, 24)).shape == (1, 3)


def test_a_checkpoint_of_marey_needs_nothing_but_itself(tmp_path: Path) -> None:
    name = f"hf:{save(tmp_path / 'hub', 'vivit')}:attention"
    preset, model = find_preset(name), create_model(name, num_classes=2).eval()
    header = {
        "preset": name,
        "arguments": {"num_classes": 2, **preset.arguments},
        "clip": preset.clip.to_dict(),
        "labels": {"label": ["a", "b"]},
        "metrics": {},
    }
    file = tmp_path / "model.safetensors"
    save_checkpoint(file, model, header)
    rmtree(tmp_path / "hub")
    again, video = create_model(name, weights=file).eval(), torch.randn(1, 3, 4, 16, 16)
    assert torch.equal(again(video), model(video))
    assert preset_in(load_checkpoint(file)[0]).clip == preset.clip
    header["arguments"]["encoder"]["model_type"] = "next_year"
    save_checkpoint(file, model, header)
    with pytest.raises(CheckpointError, match="its checkpoint holds a next_year, which this version does not read; up"):
        create_model(name, weights=file)


def test_what_a_processor_states_is_what_clips_are_made_by(tmp_path: Path) -> None:
    stated = {
        "image_processor_type": "VideoMAEImageProcessor",
        "size": {"shortest_edge": 20},
        "crop_size": {"height": 16, "width": 16},
        "resample": 3,
        "image_mean": [0.1, 0.2, 0.3],
        "image_std": [0.4, 0.5, 0.6],
        "rescale_factor": 1 / 255,
        "do_center_crop": None,
    }
    assert spec_of(tmp_path, stated) == ClipSpec(
        frames=4,
        stride=1,
        side_px=16,
        short_px=20,
        mean=(0.1, 0.2, 0.3),
        std=(0.4, 0.5, 0.6),
        sampling="uniform",
        resample="bicubic",
    )


def test_processors_that_squash_are_followed(tmp_path: Path) -> None:
    stated = {"image_processor_type": "SiglipImageProcessor", "size": {"height": 16, "width": 16}}
    found = spec_of(tmp_path, stated, clips=False)
    assert found.squash and (found.side_px, found.short_px) == (16, 16)
    assert found.mean == (0.5, 0.5, 0.5) and found.resample == "bicubic"
    old = spec_of(tmp_path, {"feature_extractor_type": "ViTFeatureExtractor", "size": 16}, clips=False)
    assert old.squash and old.resample == "bilinear"
    older = spec_of(tmp_path, {"feature_extractor_type": "CLIPFeatureExtractor", "size": 18, "crop_size": 16})
    assert not older.squash and (older.side_px, older.short_px) == (16, 18)
    cropped = spec_of(
        tmp_path, {**stated, "size": {"height": 20, "width": 20}, "do_center_crop": True, "crop_size": 16}
    )
    assert cropped.squash and (cropped.side_px, cropped.short_px) == (16, 20)


@pytest.mark.parametrize(
    "stated, black, white",
    [
        ({}, -1, 1),
        ({"do_normalize": False}, 0, 1),
        ({"do_normalize": False, "do_rescale": False}, 0, 255),
        ({"do_normalize": False, "rescale_factor": 1 / 127.5}, 0, 2),
        ({"image_mean": 0.25, "image_std": 0.125}, -2, 6),
        ({"image_processor_type": "VivitImageProcessor"}, -3, 1),  # value / 127.5 - 1, then (x - 0.5) / 0.5
        ({"image_processor_type": "VivitImageProcessor", "offset": False}, -1, 3),
        ({"video_processor_type": "VivitVideoProcessor", "do_normalize": False}, -1, 1),
    ],
)
def test_values_come_out_as_the_processor_says(
    stated: dict[str, Any], black: float, white: float, tmp_path: Path
) -> None:
    found = spec_of(tmp_path, stated)
    assert [(0 - m) / s for m, s in zip(found.mean, found.std, strict=True)] == pytest.approx([black] * 3)
    assert [(1 - m) / s for m, s in zip(found.mean, found.std, strict=True)] == pytest.approx([white] * 3)


def test_the_processor_of_clips_comes_before_that_of_images(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"size": 20, "crop_size": 16}))
    video = {"video_processor_type": "VJEPA2VideoProcessor", "crop_size": {"height": 224, "width": 224}, "size": 1}
    found = spec_of(tmp_path, video, file="video_preprocessor_config")
    assert (found.side_px, found.short_px) == (224, 256)
    image = clip_spec(tmp_path, usual="CLIP", clips=False, side=16, frames=4)
    assert (image.side_px, image.short_px) == (16, 20)


def test_a_processor_may_be_a_part_of_another(tmp_path: Path) -> None:
    part = {"image_processor_type": "CLIPImageProcessorFast", "size": {"shortest_edge": 20}, "crop_size": 16}
    found = spec_of(tmp_path, {"image_processor": part, "processor_class": "X"}, file="processor_config", clips=False)
    assert (found.side_px, found.short_px, found.resample) == (16, 20, "bicubic")
    assert found.mean == PROCESSORS["CLIP"]["image_mean"]


def test_a_checkpoint_that_states_nothing_is_fed_as_its_kind_is(tmp_path: Path) -> None:
    preset = find_preset(f"hf:{save(tmp_path, 'siglip')}")
    assert preset.clip.squash and preset.clip.side_px == preset.clip.short_px == 16
    assert clip_spec(tmp_path, usual="VJEPA2", clips=True, side=256, frames=4).short_px == 292
    assert clip_spec(tmp_path, usual="CLIP", clips=False, side=32, frames=4).mean == PROCESSORS["CLIP"]["image_mean"]


@pytest.mark.parametrize(
    "stated, sentence",
    [
        ({"do_resize": False}, "says that frames are not resized, and videos are of all sizes; set do_resize"),
        ({"resample": 0}, r"resizes by filter 0 of Pillow, which Marey lacks; it has 2 \(bilinear\), 3 \(bicubic\)"),
        ({"size": {"longest_edge": 9}}, "sizes frames by {'longest_edge': 9}; Marey knows a shortest_edge, or a heig"),
        ({"size": {"height": 9, "width": 8}}, "sizes frames by .*; Marey knows a shortest_edge, or a height and a wid"),
        ({"size": 16, "crop_size": 24}, "resizes frames to 16 px and crops 24 px of them; it must crop no more"),
        ({"image_mean": ["a", 1, 1]}, r"preprocessor_config.json cannot be understood \(.*\); fetch it anew"),
        ({"image_mean": [1, 1]}, r"cannot be understood \(mean and std have 2 and 3 values.*\); fetch it anew"),
    ],
)
def test_what_cannot_be_followed_is_refused(stated: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=sentence):
        spec_of(tmp_path, stated)


def test_names_of_the_table_are_not_looked_for_elsewhere() -> None:
    with pytest.raises(UsageError, match="no preset is called 'hub:a/b'"):
        find_preset("hub:a/b")
