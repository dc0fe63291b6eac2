"""What an encoder makes of clips, as one vector each: what the last layers of a trained model read."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..data import Quarantine, Sample
from ..models import VideoModel, last_layers, read_by
from ..video import ClipSpec, DecoderName
from .features import encode_samples
from .narrate import Narrator

PROBED = 8  # clips on which the last layers are found


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


def read_vectors(model: VideoModel, encoded: Float[Tensor, "n ..."], device: torch.device) -> Float[np.ndarray, "n d"]:
    """What the model's last linear layers read of encoded clips, side by side, tokens averaged; ValueError where it
    does not end in such layers."""
    layers = last_layers(model, encoded[:PROBED].to(device))
    parts = [x.mean(1) for x in read_by(model, list(layers.values()), encoded.to(device))]
    return torch.cat(parts, dim=1).float().cpu().numpy()


def mean_tokens(encoded: Float[Tensor, "n ..."]) -> Float[np.ndarray, "n d"]:
    """Encoded clips with whatever stands between clips and features averaged: tokens of (n, t, d), say."""
    return encoded.flatten(1, -2).mean(1).float().numpy() if encoded.ndim > 2 else encoded.float().numpy()
