"""The space that an encoder of clips or images of the transformers library shares with one of text.

Clips and texts are unit vectors there, and their cosine says how well they fit. Networks of images embed each frame; a
clip is the mean of its frames' directions.

X-CLIP's text is taken without what its forward pass adds to it for each video: that needs every patch, and a token a
frame is what is kept of clips.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from .hub_encoder import library, quiet, read_network

NETWORKS = {"clip": "CLIPModel", "siglip": "SiglipModel", "xclip": "XCLIPModel"}  # model_type of both halves -> class
AT_ONCE = 64


class SharedSpace:
    """Of the checkpoint in a folder, whose model_type is one of NETWORKS. CheckpointError as `load_encoder` says."""

    def __init__(self, folder: str | os.PathLike[str], *, kind: str, device: torch.device) -> None:
        self._kind, self._device = kind, device
        self._net = read_network(NETWORKS[kind], folder, {}).to(device).eval()
        self._tokenizer = None
        if any((Path(folder) / name).is_file() for name in ("tokenizer.json", "vocab.json", "spiece.model")):
            with quiet():
                self._tokenizer = library().AutoTokenizer.from_pretrained(
                    os.fspath(folder), local_files_only=True, trust_remote_code=False
                )

    @property
    def reads(self) -> bool:
        """Whether the checkpoint has a tokenizer, without which it knows no words."""
        return self._tokenizer is not None

    @torch.inference_mode()
    def of_texts(self, texts: Sequence[str]) -> Float[Tensor, "k d"]:
        """Directions of texts; what is longer than the network reads is cut."""
        assert self._tokenizer is not None
        longest = self._net.config.text_config.max_position_embeddings
        siglip = self._kind == "siglip"  # was trained to see its padding, always to the full length
        found = []
        for start in range(0, len(texts), AT_ONCE):
            words = self._tokenizer(
                list(texts[start : start + AT_ONCE]),
                padding="max_length" if siglip else True,
                truncation=True,
                max_length=longest,
                return_tensors="pt",
            ).to(self._device)
            seen = {} if siglip else {"attention_mask": words["attention_mask"]}
            found.append(self._net.get_text_features(input_ids=words["input_ids"], **seen))
        return _unit(torch.cat([out.pooler_output for out in found]).float()).cpu()

    @torch.inference_mode()
    def of_clips(self, tokens: Float[Tensor, "n t h"]) -> Float[Tensor, "n d"]:
        """Directions of clips, from the tokens that `HubModel.encode` gives of them: a pooled one a frame."""
        found = []
        for part in tokens.split(AT_ONCE):
            frames = part.to(self._device)
            if self._kind != "siglip":
                frames = self._net.visual_projection(frames)
            found.append(self._net.mit(frames).pooler_output if self._kind == "xclip" else _unit(frames).mean(1))
        return _unit(torch.cat(found).float()).cpu()


def _unit(rows: Tensor) -> Tensor:
    return functional.normalize(rows, dim=-1)
