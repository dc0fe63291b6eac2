"""Encode clips once: what a frozen encoder says of every sample, kept in the cache for the next run."""

import hashlib
import json
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from ..data import Quarantine, Sample, view_batches
from ..errors import VideoError
from ..models import VideoModel
from ..video import ClipSpec, DecoderName, FrameOrder, reorder, to_input
from .cache import FeatureCache
from .narrate import Narrator, progress_of
from .run import decoder_version


def encoder_hash(model: VideoModel, *, but: Collection[str] = ()) -> str:
    """Twelve hex digits over the architecture and every tensor of what `encode` runs: all of a model that learns.

    but  names of tensors that are known to be the classifier's
    """
    encoder = cast(nn.Module, model.encoder) if model.frozen else model  # the part of a frozen model is called so
    digest = hashlib.sha256(repr(encoder).encode())
    for key, tensor in sorted(encoder.state_dict().items()):
        if key in but:
            continue
        digest.update(key.encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def share_kept(model: VideoModel, samples: Sequence[Sample], spec: ClipSpec, *, decoder: DecoderName) -> float:
    """Of the samples, whose one middle view a frozen encoder has seen before, so that it costs nothing."""
    cache, kept = _cache(model, spec, 1, 1, decoder, "as filmed", ()), 0
    for sample in samples:
        with suppress(VideoError):  # cannot be opened: it costs next to nothing
            kept += cache.has(sample.path, sample.start_s, sample.end_s)
    return kept / max(1, len(samples))


def _cache(
    model: VideoModel,
    spec: ClipSpec,
    views: int,
    crop_count: int,
    decoder: DecoderName,
    order: FrameOrder,
    classifier: Collection[str],
) -> FeatureCache:
    recipe = {
        "spec": spec.to_dict(),
        "views": views,
        "crops": crop_count,
        "decoder": decoder_version(decoder),
        "encoder": encoder_hash(model, but=classifier),
        **({} if order == "as filmed" else {"order": order}),
    }
    return FeatureCache(recipe=json.dumps(recipe, sort_keys=True))


def encode_samples(
    model: VideoModel,
    samples: Sequence[Sample],
    spec: ClipSpec,
    quarantine: Quarantine,
    *,
    views: int,
    crop_count: int,
    device: torch.device,
    decoder: DecoderName,
    workers: int,
    narrator: Narrator,
    use_cache: bool = True,
    what: str = "encode",
    order: FrameOrder = "as filmed",
    classifier: Collection[str] = (),
) -> dict[int, Tensor]:
    """Index of the sample -> (views * crop_count, ...) output of `model.encode`, on the CPU.

    The key of a cached array is the hash of the video, the span, the clip specification, the views, the decoder
    with its version, the order of frames and the hash of the encoder: change any of them and the clip is encoded anew.
    `classifier` names the parameters that `encode` does not use, where they are known.
    """
    cache = _cache(model, spec, views, crop_count, decoder, order, classifier)
    encoded: dict[int, Tensor] = {}
    if use_cache:
        for index, sample in enumerate(samples):
            try:
                held = cache.get(sample.path, sample.start_s, sample.end_s)
            except VideoError:  # cannot even be opened: decoding it below puts it into the quarantine
                continue
            if held is not None:
                encoded[index] = torch.from_numpy(held)
    missing = [index for index in range(len(samples)) if index not in encoded]
    narrator.detail(f"{what}: {len(encoded)} of {len(samples)} clips are kept from before, in {cache.folder}")
    tell = progress_of(narrator, what)
    model = model.to(device).eval()
    done = 0
    batches = view_batches(
        [samples[i] for i in missing],
        spec,
        quarantine,
        views=views,
        crop_count=crop_count,
        clips_per_batch=8,
        workers=workers,
        decoder=decoder,
    )
    for batch in batches:
        clips = reorder(batch["video"].flatten(0, 1), order, spec.modality)
        with torch.inference_mode():
            rows = model.encode(to_input(clips.to(device), spec)).float().cpu().clone()
        for place, features in zip(batch["index"].tolist(), rows.unflatten(0, batch["video"].shape[:2]), strict=True):
            index = missing[place]
            encoded[index] = features.clone()
            if use_cache:
                sample = samples[index]
                cache.put(sample.path, sample.start_s, sample.end_s, np.asarray(features))
        done += len(batch["index"])
        tell(min(done, len(missing)), len(missing))
    if missing and done < len(missing):
        tell(len(missing), len(missing))
    return encoded
