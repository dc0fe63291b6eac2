"""Classes by their names alone: how well encoders that share a space with text know them without a single example."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..data import Manifest
from ..errors import UsageError
from ..metrics import estimate_over_episodes, group_codes, zero_shot_accuracies
from ..models.hub_text import SharedSpace
from ..results import Estimate
from .clip_features import Encoder
from .narrate import Narrator

PROMPT = "a video of {}"
BY_NAMES = "class names"  # in the place of a classifier


@dataclass(frozen=True)
class FewShotRow:
    """Accuracy over the episodes of one of `metrics.CLASSIFIERS`, or of BY_NAMES, on what an encoder makes of clips."""

    encoder: str
    classifier: str
    shots: int
    accuracy: Estimate


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


def true_classes(read: Manifest) -> np.ndarray:
    """int (clips,): the class of every clip of data with one head and one class a clip."""
    ((head, labels),) = read.heads.items()
    return np.array([labels.index(sample.labels[head][0]) for sample in read.samples])


def similarity_to_names(space: SharedSpace, encoded: Tensor, labels: Sequence[str], prompt: str) -> np.ndarray:
    """float (n, classes): cosine of encoded clips (n, t, d) and of what the prompt says of each class.

    Underscores of names are read as spaces.
    """
    texts = [prompt.replace("{}", label.replace("_", " ")) for label in labels]
    return (space.of_clips(encoded) @ space.of_texts(texts).T).numpy()


def zero_shot_row(
    encoder: str, similarity: np.ndarray, read: Manifest, shots: int, asked: Mapping[str, int]
) -> FewShotRow:
    """The row of 0 shots, on the queries of the episodes of so many shots."""
    found = zero_shot_accuracies(
        similarity,
        true_classes(read),
        group_codes([s.group for s in read.samples], len(read)),
        ways=asked["ways"],
        shots=shots,
        queries=asked["queries"],
        episodes=asked["episodes"],
        seed=asked["seed"],
    )
    return FewShotRow(encoder, BY_NAMES, 0, estimate_over_episodes(found))
