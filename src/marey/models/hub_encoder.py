"""Encoders of the transformers library (extra `transformers`) on clips, with a head of ours over their tokens.

        video (b, 3, t, h, w) -> a network of transformers -> tokens (b, t', d) -> head -> logits

Networks of clips give one token where they have a class token and otherwise one every tubelet, the mean of its patches;
networks of images give one a frame. transformers is imported where a network is built, and nowhere else; no code that
comes with a checkpoint is ever run.

Axes: b clips, t frames, t' tokens, n patches and what stands before them, d features.
"""

import copy
import json
import os
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor, nn

from ..errors import CheckpointError, MissingExtra
from ..nn import check_clip, fold_time, to_map, unfold_time
from .frames import FROZEN_BATCH, BuildHead
from .hub_reading import HALVES, READINGS
from .interface import Clips, Logits, VideoModel


def library() -> ModuleType:
    """transformers; MissingExtra where it is not installed."""
    try:
        import transformers
    except ImportError as error:
        raise MissingExtra(
            "hf: names need the transformers library, which is not installed; get it with "
            "pip install 'marey[transformers]'"
        ) from error
    return transformers


class HubEncoder(nn.Module):
    """The network of a `config` (that of config.json, or the part of it for pixels), with fresh weights."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        transformers = library()
        from huggingface_hub.errors import StrictDataclassError

        self.reading = READINGS[config["model_type"]]
        network = getattr(transformers, self.reading.network)
        try:
            settings = network.config_class.from_dict(copy.deepcopy(dict(config)))
            net = network(settings, **self.reading.options)
        except (TypeError, ValueError, RuntimeError, StrictDataclassError) as error:
            reason = str(error).strip().partition("\n")[0].rstrip(".:")
            raise CheckpointError(
                f"transformers {transformers.__version__} cannot build a {self.reading.family} of this config.json "
                f"({reason}); fetch the checkpoint anew, or upgrade with pip install -U 'marey[transformers]'"
            ) from error
        self.dim, self.depth = settings.hidden_size, settings.num_hidden_layers
        self.tubelet, self.patch = _patch(settings)
        self.hold(net)

    def hold(self, net: nn.Module) -> None:
        """Take a network of transformers of this kind for one's own, on the device of torch.device, if that is on."""
        for name in self.reading.drops:
            setattr(net, name, nn.Identity())
        for name, parameter in net.named_parameters():
            if name.endswith("mask_token"):  # stands for hidden patches in pre-training; here it never gets a gradient
                parameter.requires_grad_(False)
        self.net = net.to(torch.get_default_device())

    def _run(self, video: Clips, *, deep: bool = False) -> Any:
        pixels = video.transpose(1, 2) if self.reading.clips else fold_time(video)
        return self.net(**{self.reading.pixels: pixels}, **self.reading.calls, output_hidden_states=deep)

    def forward(self, video: Clips) -> Float[Tensor, "b t_out d"]:
        """The tokens of clips, in the order of time."""
        out, clips = self._run(video), len(video)
        if self.reading.token == "pooled":
            return out.pooler_output.unflatten(0, (clips, -1))
        if self.reading.token == "first":
            return out.last_hidden_state[:, 0].unflatten(0, (clips, -1))
        return out.last_hidden_state.unflatten(1, (video.shape[2] // self.tubelet, -1)).mean(2)

    def maps(self, video: Clips) -> dict[str, Tensor]:
        """patches, then one map (b, d, t', h, w) after every quarter of the blocks: block3, block6, ..."""
        states = self._run(video, deep=True).hidden_states
        quarter = max(self.depth // 4, 1)
        depths = [depth for depth in range(1, self.depth + 1) if depth % quarter == 0 or depth == self.depth]
        return {f"block{depth}" if depth else "patches": self._map(states[depth], video) for depth in (0, *depths)}

    def _map(self, x: Float[Tensor, "n_clips n d"], video: Clips) -> Tensor:
        frames, height, width = (size // step for size, step in zip(video.shape[2:], self._steps, strict=True))
        if len(x) > len(video):  # the frames of all clips in turn
            return unfold_time(to_map(x, (1, height, width)).squeeze(2), video.shape[2])
        if self.reading.time_last:
            return to_map(x, (height, width, frames)).permute(0, 1, 4, 2, 3)
        return to_map(x, (frames, height, width))

    @property
    def _steps(self) -> tuple[int, int, int]:
        return self.tubelet, self.patch, self.patch


def _patch(settings: Any) -> tuple[int, int]:
    """Frames and pixels of a patch."""
    tubelet = getattr(settings, "tubelet_size", 1)
    if not isinstance(tubelet, int):  # ViViT has one setting for frames, rows and columns
        return tubelet[0], tubelet[1]
    patch = settings.patch_size
    return tubelet, patch if isinstance(patch, int) else patch[0]


class HubModel(VideoModel):
    """A `HubEncoder` and a `head` over its tokens.

    frames  of its clips, exactly; None takes any, which only networks of images can
    side    rows and columns of its clips, exactly
    frozen  whether the encoder is used as it is and only the head learns
    """

    def __init__(
        self,
        *,
        num_classes: int,
        config: Mapping[str, Any],
        head: BuildHead,
        side: int,
        frames: int | None = None,
        frozen: bool = True,
    ) -> None:
        super().__init__()
        self.encoder = HubEncoder(config)
        self.head = head(dim=self.encoder.dim, num_classes=num_classes)
        self.frames, self.frozen = frames, frozen
        self.min_frames, self.min_side = frames or self.head.min_frames, side
        self.freeze()

    def freeze(self) -> None:
        """Where it is `frozen`, keep the encoder from learning."""
        if self.frozen:
            self.encoder.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "HubModel":
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def _check(self, video: Clips) -> None:
        check_clip(video, min_frames=self.min_frames, frames=self.frames, side=self.min_side)

    def features(self, video: Clips) -> dict[str, Tensor]:
        """patches, then one map after every quarter of the encoder's blocks: block3, block6, ..."""
        self._check(video)
        return self.encoder.maps(video)

    def encode(self, video: Clips) -> Tensor:
        """Tokens (b, t', d)."""
        self._check(video)
        at_once = max(1, FROZEN_BATCH // video.shape[2]) if self.frozen else len(video)
        return torch.cat([self.encoder(part) for part in video.split(at_once)])

    def measure(self, encoded: Tensor) -> None:
        self.head.measure(encoded)

    def classify(self, encoded: Tensor) -> Logits:
        return self.head(encoded)

    def forward(self, video: Clips) -> Logits:
        return self.classify(self.encode(video))


def load_encoder(model: HubModel, folder: str | os.PathLike[str]) -> None:
    """The weights of a checkpoint of transformers into the encoder, in single precision; see `read_network`."""
    reading = model.encoder.reading
    kind = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))["model_type"]
    name, part = reading.whole if reading.whole and kind in HALVES else (reading.network, "")
    net = read_network(name, folder, reading.options, drops=reading.drops)
    model.encoder.hold(net.get_submodule(part))
    model.train(model.training)
    model.freeze()


def read_network(
    name: str, folder: str | os.PathLike[str], options: Mapping[str, Any], *, drops: tuple[str, ...] = ()
) -> Any:
    """A network of transformers with the weights of a checkpoint, in single precision.

    Safetensors, or a pickle of which only tensors are read. CheckpointError for files that are damaged, of another
    shape than their config.json says, or without tensors that the network needs, other than those that it `drops`.
    """
    network = getattr(library(), name)
    with quiet():
        try:
            net, found = network.from_pretrained(
                os.fspath(folder),
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
                **options,
            )
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError, pickle.UnpicklingError) as error:
            reason = str(error).strip().partition("\n")[0].rstrip(".")
            raise CheckpointError(f"{folder}: its weights cannot be read ({reason}); fetch them anew") from error
    missing = sorted(
        key for key in found["missing_keys"] if not key.startswith(drops) and not key.endswith("mask_token")
    )
    if missing:
        raise CheckpointError(
            f"{folder}: its weights lack {len(missing)} tensors of {name} ({', '.join(missing[:3])}"
            f"{', ...' if len(missing) > 3 else ''}); fetch them anew"
        )
    return net


@contextmanager
def quiet() -> Iterator[None]:
    """No bars and no tables of what a checkpoint holds besides the encoder: what matters is an error here."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
