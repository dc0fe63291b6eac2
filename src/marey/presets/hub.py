"""Encoders of the transformers library by name: `hf:OWNER/NAME` from the hub's cache, `hf:FOLDER` from a folder.

Nothing is fetched, and no code that comes with a checkpoint is run. Behind the name may stand, after colons, a head
(`hf:OWNER/NAME:attention`) and `finetune`, which lets the whole network learn (`hf:OWNER/NAME:finetune`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, UsageError
from ..models import VideoModel
from ..models.frames import BuildHead
from ..models.hub_encoder import HubModel, library, load_encoder
from ..models.hub_reading import HALVES, READINGS
from ..nn import AttentionHead, DifferenceHead, LinearHead, LstmHead, MeanHead, TcnHead
from ..video import ClipSpec
from .hub_clip import clip_spec, read_json
from .preset import Mini, Preset

PREFIX, FINETUNE = "hf:", "finetune"
HEADS: dict[str, BuildHead] = {
    "linear": LinearHead,
    "mean": partial(MeanHead, dropout=0.5),
    "attention": partial(AttentionHead, dropout=0.5),
    "difference": partial(DifferenceHead, dropout=0.5),
    "lstm": partial(LstmHead, dropout=0.5),
    "tcn": partial(TcnHead, dropout=0.5),
}
FINETUNE_LR = 5e-5  # VideoMAE's 1e-3 for 256 clips, at the 16 of a batch here
IMAGES = 8  # frames of a clip for networks of images, which do not say how many
CLASSES = 400  # unless asked otherwise, as Kinetics has

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
OF_SOUND = {"sampling_rate", "num_mel_bins", "feat_extract_norm", "audio_config", "audio_channels", "n_mels"}
OF_TEXT = {"vocab_size", "text_config", "max_position_embeddings"}


@dataclass(frozen=True)
class HubName:
    """A name taken apart: `source` is OWNER/NAME or a folder."""

    name: str
    source: str
    head: str
    finetune: bool


def is_hub_name(name: str) -> bool:
    return name.startswith(PREFIX)


def parse_hub_name(name: str) -> HubName:
    """UsageError for a name without a source, or with two heads."""
    source, *words = [name.removeprefix(PREFIX)]
    while (found := source.rpartition(":"))[1] and found[2] in (*HEADS, FINETUNE):
        source, words = found[0], [found[2], *words]
    heads = [word for word in words if word != FINETUNE]
    if not source or len(heads) > 1:
        what = f"names {len(heads)} heads" if source else "names no checkpoint"
        raise UsageError(
            f"{name!r} {what}; write hf:OWNER/NAME or hf:FOLDER, then :HEAD ({', '.join(HEADS)}) or :{FINETUNE} or both"
        )
    finetune = FINETUNE in words
    return HubName(name, source, heads[0] if heads else "mean" if finetune else "linear", finetune)


def hub_preset(name: str) -> Preset:
    """The preset of an `hf:` name, its weights those of the checkpoint.

    UsageError, or CheckpointError, with the command that helps: for a checkpoint that is not in the cache or not
    whole, of another modality, of a kind that Marey does not read, or whose files contradict each other.
    """
    parsed = parse_hub_name(name)
    folder = folder_of(parsed)
    config = encoder_config(parsed, folder)
    reading = READINGS[config["model_type"]]
    side = _number(config, *reading.side, folder)
    frames = _number(config, *reading.frames, folder) if reading.frames else IMAGES
    spec = clip_spec(folder, usual=reading.processor, clips=reading.clips, side=side, frames=frames)
    patch = _number(config, "patch_size", 16, folder)
    if spec.side_px % patch if reading.any_side else spec.side_px != side:
        wants = f"sides that divide by {patch}" if reading.any_side else f"{side} px"
        raise CheckpointError(
            f"{folder}: its processor makes clips of {spec.side_px} px, and its network wants {wants}"
        )
    if not any((folder / file).is_file() for file in WEIGHTS):
        raise CheckpointError(f"{folder} has no weights ({WEIGHTS[0]} or {WEIGHTS[2]}); {_cure(parsed)}")
    return build_hub_preset(parsed, config, spec, folder)


def held_hub_preset(name: str, arguments: Mapping[str, Any], clip: Mapping[str, Any]) -> Preset:
    """The preset of a Marey checkpoint, which has all of the encoder in it: neither cache nor folder is looked at."""
    kind = arguments["encoder"].get("model_type")
    if kind not in READINGS:
        raise CheckpointError(f"{name}: its checkpoint holds a {kind}, which this version does not read; upgrade Marey")
    return build_hub_preset(parse_hub_name(name), arguments["encoder"], ClipSpec.from_dict(dict(clip)), None)


def build_hub_preset(parsed: HubName, config: Mapping[str, Any], spec: ClipSpec, folder: Path | None) -> Preset:
    """The preset of a network of transformers; without a `folder` for its weights it starts from random ones."""
    reading = READINGS[config["model_type"]]
    build = partial(
        HubModel,
        config=config,
        head=HEADS[parsed.head],
        side=spec.side_px,
        frames=spec.frames if reading.frames else None,
        frozen=not parsed.finetune,
    )
    least = HEADS[parsed.head](dim=2, num_classes=2).min_frames
    if least > 1 and reading.token == "first" and reading.clips:
        raise UsageError(
            f"{parsed.name!r} wants the {parsed.head} head, which needs {least} tokens, and a {reading.family} gives "
            "one a clip; take linear, mean or attention"
        )
    return Preset(
        name=parsed.name,
        family=reading.family,
        paper=reading.paper,
        build=build,
        classes=CLASSES,
        clip=spec,
        mini=Mini(build, frames=spec.frames, side_px=spec.side_px),
        pretrained=None if folder is None else partial(_fill, folder=folder),
        frozen=not parsed.finetune,
        linear=not parsed.finetune and parsed.head == "linear",
        lr=FINETUNE_LR if parsed.finetune else None,
        arguments={"encoder": dict(config)},
    )


def _fill(model: VideoModel, *, folder: Path) -> None:
    assert isinstance(model, HubModel)
    load_encoder(model, folder)


def folder_of(parsed: HubName) -> Path:
    """Where the files are: a folder, or the hub's cache, as it stands; MissingExtra without the library."""
    library()  # which brings the hub's client
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    path = Path(parsed.source).expanduser()
    if path.is_dir():
        return path
    if not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", parsed.source):
        raise UsageError(
            f"{parsed.source} is no folder; write {PREFIX}OWNER/NAME, or {PREFIX} and a folder that exists"
        )
    try:
        return Path(snapshot_download(parsed.source, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError) as error:
        raise UsageError(f"{parsed.source} is not in the cache {constants.HF_HUB_CACHE}; {_cure(parsed)}") from error


def encoder_config(parsed: HubName, folder: Path) -> dict[str, Any]:
    """What config.json says of the network of pixels, class names left out; see the errors of `hub_preset`."""
    file = folder / "config.json"
    if not file.is_file():
        raise CheckpointError(f"{folder} has no config.json; {_cure(parsed)}")
    whole = read_json(file)
    kind = whole.get("model_type")
    if kind in HALVES and isinstance(whole.get("vision_config"), dict):
        whole, kind = {**whole["vision_config"]}, HALVES[kind]
    if kind not in READINGS:
        raise UsageError(f"{parsed.name} is {_what(kind, whole)}; Marey reads {', '.join(_families())}")
    names = ("id2label", "label2id", "num_labels", "problem_type")
    return {key: value for key, value in whole.items() if key not in names} | {"model_type": kind}


def _what(kind: Any, config: Mapping[str, Any]) -> str:
    if OF_SOUND & config.keys():
        return f"an encoder of sound ({kind}), not of video"
    if OF_TEXT & config.keys() and not {"image_size", "vision_config", "num_channels"} & config.keys():
        return f"an encoder of text ({kind}), not of video"
    return f"of a kind ({kind}) that Marey does not read"


def _families() -> list[str]:
    return list(dict.fromkeys(reading.family for reading in READINGS.values()))


def _cure(parsed: HubName) -> str:
    """How a checkpoint comes into the cache."""
    if Path(parsed.source).expanduser().is_dir():
        return "give a folder that save_pretrained wrote"
    return f"fetch it with: hf download {parsed.source}"


def _number(config: Mapping[str, Any], key: str, usual: int, folder: Path) -> int:
    """A size of the network, one number even where rows and columns each have theirs."""
    value = config.get(key, usual)
    value = value[0] if isinstance(value, list) and value and len(set(value)) == 1 else value
    if not isinstance(value, int) or value < 1:
        raise CheckpointError(f"{folder / 'config.json'} has {key} {value!r}; it must be a whole number of 1 or more")
    return value
