"""What an encoder makes of clips, as one vector each: what the last layers of a trained model read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..data import Quarantine, Sample
from ..errors import UsageError
from ..models import VideoModel, last_layers, read_by
from ..presets import create_model
from ..video import ClipSpec, DecoderName
from .choose import preset_of_clips
from .features import encode_samples
from .learned import Learned, learned_by
from .narrate import Narrator
from .scores import Trained, open_model

NOTHING = Learned()
PROBED = 8  # clips on which the last layers are found


@dataclass(frozen=True)
class Encoder:
    """What is asked to encode. `learned`: the classes and clips that it was trained on, of a run; `trained` whether its
    last layers have learned."""

    name: str
    model: VideoModel
    spec: ClipSpec
    learned: Learned = NOTHING
    trained: bool = False
    linear: bool = False


def encode_middle(
    model: VideoModel,
    samples: Sequence[Sample],
    spec: ClipSpec,
    quarantine: Quarantine,
    *,
    device: torch.device,
    decoder: DecoderName,
    workers: int,
    narrator: Narrator,
    use_cache: bool,
    what: str,
) -> tuple[list[int], Tensor]:
    """(which of the samples could be read, what `model.encode` gives of the middle view of each), on the CPU."""
    found = encode_samples(
        model,
        samples,
        spec,
        quarantine,
        views=1,
        crop_count=1,
        device=device,
        decoder=decoder,
        workers=workers,
        narrator=narrator,
        use_cache=use_cache,
        what=what,
    )
    kept = sorted(found)
    return kept, torch.stack([found[index][0] for index in kept]) if kept else torch.zeros(0)


def encode_middle_by(
    trained: Trained,
    samples: Sequence[Sample],
    quarantine: Quarantine,
    *,
    workers: int,
    narrator: Narrator,
    use_cache: bool,
    what: str,
) -> tuple[list[int], Tensor]:
    """`encode_middle` as a trained model is fed, by the decoder and on the device that it was opened with."""
    return encode_middle(
        trained.model,
        samples,
        trained.spec,
        quarantine,
        device=trained.device,
        decoder=trained.decoder,
        workers=workers,
        narrator=narrator,
        use_cache=use_cache,
        what=what,
    )


def read_vectors(model: VideoModel, encoded: Float[Tensor, "n ..."], device: torch.device) -> Float[np.ndarray, "n d"]:
    """What the model's last linear layers read of encoded clips, side by side, tokens averaged; ValueError where it
    does not end in such layers."""
    layers = last_layers(model, encoded[:PROBED].to(device))
    parts = [x.mean(1) for x in read_by(model, list(layers.values()), encoded.to(device))]
    return torch.cat(parts, dim=1).float().cpu().numpy()


def mean_tokens(encoded: Float[Tensor, "n ..."]) -> Float[np.ndarray, "n d"]:
    """Encoded clips with whatever stands between clips and features averaged: tokens of (n, t, d), say."""
    return encoded.flatten(1, -2).mean(1).float().numpy() if encoded.ndim > 2 else encoded.float().numpy()


def open_encoder(name: str, *, device: str, decoder: str) -> Encoder:
    """A run, a file, or a preset that begins with weights that know something; UsageError for another."""
    if Path(name).exists():
        trained = open_model(Path(name), device=device, decoder=decoder, calibrated=False)
        return Encoder(name, trained.model, trained.spec, learned_by(trained.path), trained=True)
    preset = preset_of_clips(name)
    if preset.pretrained is None and not preset.frozen:
        raise UsageError(
            f"preset {name} starts from random weights, which know nothing; name a run that was trained with it, "
            "or a preset with a frozen encoder such as motion_appearance"
        )
    return Encoder(name, create_model(name, num_classes=2), preset.clip, linear=preset.linear)


def vectors_of(encoder: Encoder, encoded: Tensor, device: torch.device) -> np.ndarray:
    """What the classifier of a trained model reads, or that of a linear preset would, after having measured the clips;
    of other presets, whose classifiers are fresh, the mean over tokens."""
    if not (encoder.trained or encoder.linear):
        return mean_tokens(encoded)
    if not encoder.trained:
        encoder.model.measure(encoded.to(device))
    try:
        return read_vectors(encoder.model, encoded, device)
    except ValueError:
        return mean_tokens(encoded)
