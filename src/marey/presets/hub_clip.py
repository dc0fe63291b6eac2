"""What a checkpoint of transformers says of its input, as a clip specification.

The library's own image processors are not used: they need torchvision, and their files say it all.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ..errors import CheckpointError
from ..video import ClipSpec

Stated = Mapping[str, Any]

HALF = {"image_mean": (0.5,) * 3, "image_std": (0.5,) * 3}
IMAGENET = {"image_mean": (0.485, 0.456, 0.406), "image_std": (0.229, 0.224, 0.225)}
OPENAI = {
    "image_mean": (0.48145466, 0.4578275, 0.40821073),
    "image_std": (0.26862954, 0.26130258, 0.27577711),
}
BILINEAR, BICUBIC = {"resample": 2}, {"resample": 3}
CROPPED = {"size": {"shortest_edge": 224}, "do_center_crop": True, "crop_size": 224}
SQUASHED = {"size": {"height": 224, "width": 224}, "do_center_crop": False, "crop_size": 224}

# What each class of processors does where its file does not say otherwise (transformers 5).
PROCESSORS: dict[str, Stated] = {
    "VideoMAE": {**CROPPED, **BILINEAR, **HALF},
    "Timesformer": {**CROPPED, **BILINEAR, **IMAGENET},
    "Vivit": {
        **CROPPED,
        **BILINEAR,
        **HALF,
        "size": {"shortest_edge": 256},
        "rescale_factor": 1 / 127.5,
        "offset": True,
    },
    "VJEPA2": {**CROPPED, **BILINEAR, **IMAGENET, "crop_size": 256},
    "CLIP": {**CROPPED, **BICUBIC, **OPENAI},
    "Siglip": {**SQUASHED, **BICUBIC, **HALF},
    "ViT": {**SQUASHED, **BILINEAR, **HALF},
    "Bit": {**CROPPED, **BICUBIC, **OPENAI},
    "DINOv3ViT": {**SQUASHED, **BILINEAR, **IMAGENET},
}
ALWAYS: Stated = {"do_resize": True, "do_rescale": True, "do_normalize": True, "rescale_factor": 1 / 255}
SQUARE_NUMBERS = {"ViT", "DINOv3ViT"}  # whose size, where it is one number, is that of both sides
RESAMPLE: dict[int, Literal["bilinear", "bicubic", "area"]] = {2: "bilinear", 3: "bicubic", 4: "area"}  # Pillow's
IMAGE_FILE, VIDEO_FILE, BOTH_FILE = (
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "processor_config.json",
)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; CheckpointError where it is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); fetch it anew") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} holds no JSON object; fetch it anew")
    return found


def read_processor(folder: Path, *, clips: bool) -> tuple[Path, dict[str, Any]] | None:
    """(file, what it says) of the processor of clips or of images, whichever the network wants; None without any."""
    for name in (VIDEO_FILE, IMAGE_FILE) if clips else (IMAGE_FILE, VIDEO_FILE):
        if (folder / name).is_file():
            return folder / name, read_json(folder / name)
    if (folder / BOTH_FILE).is_file():
        held = read_json(folder / BOTH_FILE)
        for part in ("video_processor", "image_processor") if clips else ("image_processor", "video_processor"):
            if isinstance(held.get(part), dict):
                return folder / BOTH_FILE, held[part]
    return None


def clip_spec(folder: Path, *, usual: str, clips: bool, side: int, frames: int) -> ClipSpec:
    """The input of a checkpoint.

    usual   the processor of its architecture, for a folder that states none (its size is then the network's)
    clips   whether the network takes clips, and not images
    side    rows and columns that its config.json says, `frames` likewise

    Frames are spread over the clip: checkpoints do not say how far apart they were in training. CheckpointError for
    what Marey cannot do, and for files that contradict each other.
    """
    found = read_processor(folder, clips=clips)
    if found is None:
        defaults = {**ALWAYS, **PROCESSORS[usual]}
        here, kind, stated = folder, usual, {**defaults, "size": _like(defaults["size"], side), "crop_size": side}
    else:
        here, given = found
        kind = _kind(given, usual)
        stated = {**ALWAYS, **PROCESSORS[kind], **{key: value for key, value in given.items() if value is not None}}
    try:
        return _spec(stated, here, kind=kind, frames=frames)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{here} cannot be understood ({error}); fetch it anew") from error


def _spec(stated: Stated, here: Path, *, kind: str, frames: int) -> ClipSpec:
    """What the processor `kind` with these settings makes of a video."""
    if not stated["do_resize"]:
        raise CheckpointError(f"{here} says that frames are not resized, and videos are of all sizes; set do_resize")
    if stated["resample"] not in RESAMPLE:
        raise CheckpointError(
            f"{here} resizes by filter {stated['resample']} of Pillow, which Marey lacks; "
            f"it has {', '.join(f'{number} ({name})' for number, name in RESAMPLE.items())}"
        )
    edge, squash = _size(stated["size"], here, square=kind in SQUARE_NUMBERS)
    crop = _size(stated["crop_size"], here, square=True)[0] if stated["do_center_crop"] else edge
    if kind == "VJEPA2":  # whatever its file says, its class resizes to this
        edge = int(crop * 256 / 224)
    if crop > edge:
        raise CheckpointError(f"{here} resizes frames to {edge} px and crops {crop} px of them; it must crop no more")
    mean, std = _normalization(stated)
    return ClipSpec(
        frames=frames,
        stride=1,
        side_px=crop,
        short_px=edge,
        mean=mean,
        std=std,
        sampling="uniform",
        resample=RESAMPLE[stated["resample"]],
        squash=squash,
    )


def _kind(given: Stated, usual: str) -> str:
    """The processor that a file names, or the usual one where it is a class that is not known."""
    for key in ("video_processor_type", "image_processor_type", "feature_extractor_type"):
        if found := re.match(r"(\w+?)(?:ImageProcessor|FeatureExtractor|VideoProcessor)", str(given.get(key))):
            return found[1] if found[1] in PROCESSORS else usual
    return usual


def _like(size: Stated, side: int) -> dict[str, int]:
    return dict.fromkeys(size, side)


def _size(size: Any, here: Path, *, square: bool) -> tuple[int, bool]:
    """(pixels, whether of both sides) of a size in a file."""
    if isinstance(size, int):
        return size, square
    if isinstance(size, Mapping):
        stated = {key: value for key, value in size.items() if value is not None}
        if stated.keys() == {"shortest_edge"}:
            return int(stated["shortest_edge"]), False
        if stated.keys() == {"height", "width"} and stated["height"] == stated["width"]:
            return int(stated["height"]), True
    raise CheckpointError(f"{here} sizes frames by {size}; Marey knows a shortest_edge, or a height and a width alike")


def _normalization(stated: Stated) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(mean, std) of RGB in 0..1 for (value * factor - offset - mean) / std of RGB in 0..255."""
    factor = 255 * (stated["rescale_factor"] if stated["do_rescale"] else 1.0)
    offset = 1.0 if stated["do_rescale"] and stated.get("offset") else 0.0
    mean, std = ((0.0,) * 3, (1.0,) * 3)
    if stated["do_normalize"]:
        mean, std = _three(stated["image_mean"]), _three(stated["image_std"])
    return tuple((value + offset) / factor for value in mean), tuple(value / factor for value in std)


def _three(value: Any) -> tuple[float, ...]:
    return (float(value),) * 3 if isinstance(value, int | float) else tuple(map(float, value))
