"""Classes by their names alone: how well encoders that share a space with text know them without a single example."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from ..errors import UsageError
from ..models.hub_text import SharedSpace
from .clip_features import Encoder
from .narrate import Narrator

PROMPT = "a video of {}"


def check_prompt(prompt: str | None) -> None:
    """UsageError for one that does not say where the name of a class goes."""
    if prompt is not None and prompt.count("{}") != 1:
        raise UsageError(f"--prompt is {prompt!r}; write {{}} once where the class goes, as in {PROMPT!r}")


def tell_readers(
    encoders: Sequence[Encoder], spaces: Sequence[SharedSpace | None], prompt: str | None, narrator: Narrator
) -> None:
    """UsageError for a prompt that nobody reads; says which encoders could, had they a tokenizer."""
    mute = [one.name for one, space in zip(encoders, spaces, strict=True) if space and not space.reads]
    for name in mute:
        narrator.say(f"{name} has no tokenizer, so it is not asked by class names; fetch the whole checkpoint")
    if prompt is not None and not any(space and space.reads for space in spaces):
        raise UsageError(
            "--prompt has no effect, as no encoder reads text; name a checkpoint of CLIP, SigLIP or X-CLIP by hf:, or "
            "drop it"
        )


def similarity_to_names(space: SharedSpace, encoded: Tensor, labels: Sequence[str], prompt: str) -> np.ndarray:
    """float (n, classes): cosine of encoded clips (n, t, d) and of what the prompt says of each class.

    Underscores of names are read as spaces.
    """
    texts = [prompt.replace("{}", label.replace("_", " ")) for label in labels]
    return (space.of_clips(encoded) @ space.of_texts(texts).T).numpy()
