"""Which networks of the transformers library are read, and how. To add one: a row here, and what its processor does
in `presets.hub_clip`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Reading:
    """How a family of networks is read.

    network    its class in transformers
    processor  the class of transformers' processors that such checkpoints have
    clips      whether it takes whole clips (b, t, 3, h, w); else frames (n, 3, h, w), of all clips in turn
    token      what is kept: the class token ("first"), what its own pooling makes of a frame ("pooled"), or the mean
               of the patches of every tubelet ("mean")
    frames     what its config.json calls the frames of a clip, and how many they are where it does not say; None where
               it takes any
    side       likewise for rows and columns
    any_side   whether it takes any sides that divide into patches, and not only those of its config.json
    pixels     its argument for them
    options    further arguments of its constructor
    calls      further arguments of a call
    drops      parts that only its training needs
    whole      class of the network of both halves, and what that calls this one, where transformers cannot load this
               half alone from a checkpoint of both
    time_last  whether the patches of one place stand side by side, not those of one frame
    """

    family: str
    paper: str
    network: str
    processor: str
    clips: bool
    token: Literal["first", "pooled", "mean"]
    frames: tuple[str, int] | None = None
    side: tuple[str, int] = ("image_size", 224)
    any_side: bool = False
    pixels: str = "pixel_values"
    options: Mapping[str, Any] = field(default_factory=dict)
    calls: Mapping[str, Any] = field(default_factory=dict)
    drops: tuple[str, ...] = ()
    whole: tuple[str, str] | None = None
    time_last: bool = False


DINOV2 = "Oquab et al., TMLR 2024, arXiv:2304.07193"
UNPOOLED = {"add_pooling_layer": False}

# model_type of config.json -> the one that its network of pixels has, where the other half is one of text.
HALVES = {"clip": "clip_vision_model", "siglip": "siglip_vision_model", "xclip": "xclip_vision_model"}

READINGS = {  # model_type of config.json, or of the half for pixels
    "videomae": Reading(
        family="VideoMAE",
        paper="Tong et al., NeurIPS 2022, arXiv:2203.12602",
        network="VideoMAEModel",
        processor="VideoMAE",
        clips=True,
        token="mean",
        frames=("num_frames", 16),
    ),
    "timesformer": Reading(
        family="TimeSformer",
        paper="Bertasius, Wang and Torresani, ICML 2021, arXiv:2102.05095",
        network="TimesformerModel",
        processor="Timesformer",
        clips=True,
        token="first",
        frames=("num_frames", 8),
        time_last=True,
    ),
    "vivit": Reading(
        family="ViViT",
        paper="Arnab et al., ICCV 2021, arXiv:2103.15691",
        network="VivitModel",
        processor="Vivit",
        clips=True,
        token="first",
        frames=("num_frames", 32),
        options=UNPOOLED,
    ),
    "vjepa2": Reading(
        family="V-JEPA 2",
        paper="Assran et al., 2025, arXiv:2506.09985",
        network="VJEPA2Model",
        processor="VJEPA2",
        clips=True,
        token="mean",
        frames=("frames_per_clip", 64),
        side=("crop_size", 256),
        any_side=True,
        pixels="pixel_values_videos",
        calls={"skip_predictor": True},
        drops=("predictor",),
    ),
    "xclip_vision_model": Reading(
        family="X-CLIP",
        paper="Ni et al., ECCV 2022, arXiv:2208.02816",
        network="XCLIPVisionModel",
        whole=("XCLIPModel", "vision_model"),
        processor="VideoMAE",
        clips=False,
        token="pooled",
        frames=("num_frames", 8),
    ),
    "clip_vision_model": Reading(
        family="CLIP",
        paper="Radford et al., ICML 2021, arXiv:2103.00020",
        network="CLIPVisionModel",
        processor="CLIP",
        clips=False,
        token="pooled",
    ),
    "siglip_vision_model": Reading(
        family="SigLIP",
        paper="Zhai et al., ICCV 2023, arXiv:2303.15343",
        network="SiglipVisionModel",
        processor="Siglip",
        clips=False,
        token="pooled",
    ),
    "vit": Reading(
        family="DINO and other ViTs",
        paper="Caron et al., ICCV 2021, arXiv:2104.14294; Dosovitskiy et al., ICLR 2021, arXiv:2010.11929",
        network="ViTModel",
        processor="ViT",
        clips=False,
        token="first",
        options=UNPOOLED,
    ),
    "dinov2": Reading(
        family="DINOv2",
        paper=DINOV2,
        network="Dinov2Model",
        processor="Bit",
        clips=False,
        token="pooled",
        any_side=True,
    ),
    "dinov2_with_registers": Reading(
        family="DINOv2 with registers",
        paper=f"{DINOV2}; Darcet et al., ICLR 2024, arXiv:2309.16588",
        network="Dinov2WithRegistersModel",
        processor="Bit",
        clips=False,
        token="pooled",
        any_side=True,
    ),
    "dinov3_vit": Reading(
        family="DINOv3",
        paper="Siméoni et al., 2025, arXiv:2508.10104",
        network="DINOv3ViTModel",
        processor="DINOv3ViT",
        clips=False,
        token="pooled",
        any_side=True,
    ),
}
