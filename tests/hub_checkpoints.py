"""Small checkpoints of transformers with random weights, as `save_pretrained` writes them."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import transformers
from torch import nn
from transformers.utils import logging

SIDE, PATCH, WIDTH = 16, 8, 16
VIT = {
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": SIDE,
    "patch_size": PATCH,
}
TEXT = {
    "vocab_size": 50000,
    "hidden_size": 4,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "intermediate_size": 4,
    "max_position_embeddings": 8,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
VJEPA2 = {
    "patch_size": PATCH,
    "crop_size": SIDE,
    "frames_per_clip": 4,
    "hidden_size": 24,  # its rotations want a third of a head's features to be even
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "pred_hidden_size": 24,
    "pred_num_attention_heads": 2,
    "pred_num_hidden_layers": 1,
    "pred_num_mask_tokens": 1,
    "num_pooler_layers": 1,
}
XCLIP_VISION = {
    **VIT,
    "num_frames": 3,
    "mit_hidden_size": 8,
    "mit_num_attention_heads": 2,
    "mit_num_hidden_layers": 1,
    "mit_intermediate_size": 8,
}
VIVIT = {key: value for key, value in VIT.items() if key != "patch_size"} | {"tubelet_size": [2, PATCH, PATCH]}
DECODER = {
    "decoder_hidden_size": 16,
    "decoder_num_attention_heads": 2,
    "decoder_num_hidden_layers": 1,
    "decoder_intermediate_size": 16,
}


def of(network: str, config: str, **settings: Any) -> Callable[[], nn.Module]:
    """A network of transformers, by the names of its class and of its configuration's."""
    return partial(_build, network, config, settings)


def _build(network: str, config: str, settings: dict[str, Any]) -> nn.Module:
    return getattr(transformers, network)(getattr(transformers, config)(**settings))


both = {"text_config": TEXT, "projection_dim": 8}
NETWORKS = {
    "videomae": of("VideoMAEModel", "VideoMAEConfig", **VIT, num_frames=4),
    "videomae_pretraining": of("VideoMAEForPreTraining", "VideoMAEConfig", **VIT, **DECODER, num_frames=4),
    "videomae_classifier": of("VideoMAEForVideoClassification", "VideoMAEConfig", **VIT, num_frames=4),
    "timesformer": of("TimesformerForVideoClassification", "TimesformerConfig", **VIT, num_frames=3),
    "vivit": of("VivitForVideoClassification", "VivitConfig", **VIVIT, num_frames=4),
    "vjepa2": of("VJEPA2Model", "VJEPA2Config", **VJEPA2),
    "vjepa2_classifier": of("VJEPA2ForVideoClassification", "VJEPA2Config", **VJEPA2),
    "xclip": of("XCLIPModel", "XCLIPConfig", **both, vision_config=XCLIP_VISION),
    "xclip_vision": of("XCLIPVisionModel", "XCLIPVisionConfig", **XCLIP_VISION),
    "clip": of("CLIPModel", "CLIPConfig", **both, vision_config=VIT),
    "clip_vision": of("CLIPVisionModel", "CLIPVisionConfig", **VIT),
    "siglip": of("SiglipModel", "SiglipConfig", text_config=TEXT, vision_config=VIT),
    "vit": of("ViTModel", "ViTConfig", **VIT),
    "dinov2": of("Dinov2Model", "Dinov2Config", **VIT),
    "dinov2_with_registers": of("Dinov2WithRegistersModel", "Dinov2WithRegistersConfig", **VIT),
    "dinov3": of("DINOv3ViTModel", "DINOv3ViTConfig", **VIT, num_register_tokens=2),
}


def save(
    folder: Path, kind: str, processor: dict[str, Any] | None = None, *, name: str = "preprocessor_config"
) -> Path:
    """A checkpoint in a folder, with what its processor's file says, if it has one."""
    logging.disable_progress_bar()
    NETWORKS[kind]().eval().save_pretrained(folder)
    if processor is not None:
        (folder / f"{name}.json").write_text(json.dumps(processor))
    return folder


def into_cache(folder: Path, name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint where the hub's client would have put it, in a cache of its own below `folder`."""
    commit, home = "0123456789abcdef0123456789abcdef01234567", folder / f"models--{name.replace('/', '--')}"
    save(home / "snapshots" / commit, kind)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
