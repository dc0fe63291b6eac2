"""Learning a new task from a few examples: K labelled clips of each of N classes, in many episodes.

An episode draws N classes, K clips of each to learn from (the support) and others to be asked about (the queries).
Where clips have groups, none is on both sides: few new groups that show a class are what a user has.

Axes: n clips, d features, k ways (classes of an episode), s shots (support clips a class), q queries.
"""

import warnings
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ..results import Estimate
from .intervals import Z_95

CLASSIFIERS = ("prototypes", "nearest mean, length 1", "nearest mean, centred, length 1", "linear head")
_TRIES = 200  # to part the groups of an episode, before its data are said not to allow it
_ITERATIONS = 2000


class Episode(NamedTuple):
    """Indices of clips: support, a row a class, and queries with the row that each belongs to."""

    support: Int[np.ndarray, "k s"]
    queries: Int[np.ndarray, " q"]
    truth: Int[np.ndarray, " q"]


def draw_episode(
    rng: np.random.Generator,
    classes: Int[np.ndarray, " n"],
    groups: Int[np.ndarray, " n"],
    *,
    ways: int,
    shots: int,
    queries: int,
) -> Episode:
    """One episode of `ways` classes with up to `queries` queries a class, as many as other groups have.

    groups  as `group_codes` gives them. In random order, a group goes to the support where it shows a class that
            still lacks clips there; all others are for queries. Without groups that is a plain draw

    ValueError where there are too few classes, or where no draw of many leaves each class clips on both sides.
    """
    labels = np.unique(classes)
    if not 2 <= ways <= len(labels):
        raise ValueError(f"{ways} ways of {len(labels)} classes; give 2 to {len(labels)}")
    for _ in range(_TRIES):
        chosen = rng.permutation(labels)[:ways]
        pool = np.flatnonzero(np.isin(classes, chosen))
        row = np.argmax(classes[pool, None] == chosen, axis=1)
        names, group = np.unique(groups[pool], return_inverse=True)
        held = np.zeros((len(names), ways), np.int64)
        np.add.at(held, (group, row), 1)
        have, learns = np.zeros(ways, np.int64), np.zeros(len(names), bool)
        for one in rng.permutation(len(names)):
            if (held[one] > 0)[have < shots].any():
                learns[one] = True
                have += held[one]
        side = learns[group]
        if (have < shots).any() or len(np.unique(row[~side])) < ways:
            continue
        support = [rng.permutation(pool[side & (row == way)])[:shots] for way in range(ways)]
        asked = [rng.permutation(pool[~side & (row == way)])[:queries] for way in range(ways)]
        truth = np.repeat(np.arange(ways), [len(some) for some in asked])
        return Episode(np.stack(support), np.concatenate(asked), truth)
    raise ValueError(
        f"no episode of {ways} classes has {shots} clips of each to learn from and one in other groups to ask about"
    )


def draw_episodes(
    classes: Int[np.ndarray, " n"],
    groups: Int[np.ndarray, " n"],
    *,
    ways: int,
    shots: int,
    queries: int,
    episodes: int,
    seed: int = 0,
) -> Iterator[Episode]:
    """The episodes of a seed, as `draw_episode` draws each: the same ones whoever is asked."""
    rng = np.random.default_rng(seed)
    for _ in range(episodes):
        yield draw_episode(rng, classes, groups, ways=ways, shots=shots, queries=queries)


def few_shot_accuracies(
    features: Float[np.ndarray, "n d"], episodes: Iterable[Episode]
) -> dict[str, Float[np.ndarray, " _"]]:
    """Each of CLASSIFIERS -> mean per class accuracy on the queries of every episode."""
    found: dict[str, list[float]] = {name: [] for name in CLASSIFIERS}
    for episode in episodes:
        for name, said in classify(features[episode.support], features[episode.queries]).items():
            found[name].append(_mean_per_class(said, episode.truth))
    return {name: np.array(values) for name, values in found.items()}


def zero_shot_accuracies(
    similarity: Float[np.ndarray, "n c"], classes: Int[np.ndarray, " n"], episodes: Iterable[Episode]
) -> Float[np.ndarray, " _"]:
    """Mean per class accuracy of the most similar class on the queries of every episode; nothing is learned from its
    support, whose `classes` only say which there are to choose from.

    similarity  of each clip to each class, all that there are
    """
    found = []
    for episode in episodes:
        said = similarity[np.ix_(episode.queries, classes[episode.support[:, 0]])].argmax(1)
        found.append(_mean_per_class(said, episode.truth))
    return np.array(found)


def _mean_per_class(said: np.ndarray, truth: np.ndarray) -> float:
    per_class = np.bincount(truth)
    weights = 1 / per_class[truth] / len(per_class)
    return float(weights[said == truth].sum())


def classify(
    support: Float[np.ndarray, "k s d"], queries: Float[np.ndarray, "q d"]
) -> dict[str, Int[np.ndarray, " q"]]:
    """What each of CLASSIFIERS takes every query for, as rows of the support.

    prototypes    the nearest mean by Euclidean distance (Snell et al., NeurIPS 2017, arXiv:1703.05175), on features
                  as they come: the encoder was not trained in episodes
    nearest mean  of features of length 1 (which cosine orders alike), as they come or centred first: L2N and CL2N of
                  SimpleShot (Wang et al. 2019, arXiv:1911.04623). It centres on the classes of pre-training, which the
                  users of a pretrained encoder do not have; here it is the mean of the support
    linear head   logistic regression on centred features of length 1 (Tian et al., ECCV 2020, arXiv:2003.11539)
    """
    ways, shots, dim = support.shape
    flat = support.reshape(-1, dim).astype(np.float64)
    asked, centre = queries.astype(np.float64), flat.mean(0)
    forms = [(flat, asked), (_unit(flat), _unit(asked)), (_unit(flat - centre), _unit(asked - centre))]
    said = [_nearest(shown.reshape(ways, shots, dim).mean(1), others) for shown, others in forms]
    shown, others = forms[-1]
    said.append(linear_head(shown, np.repeat(np.arange(ways), shots), others))
    return dict(zip(CLASSIFIERS, said, strict=True))


def linear_head(
    shown: Float[np.ndarray, "n d"], classes: Int[np.ndarray, " n"], asked: Float[np.ndarray, "q d"]
) -> Int[np.ndarray, " q"]:
    """The classes that an L2-regularized logistic regression, fitted on n clips, gives q others.

    It is fitted in the space that the n clips span, where its solution lies: the same answers sooner.
    """
    from sklearn.linear_model import LogisticRegression

    _, _, axes = np.linalg.svd(shown, full_matrices=False)
    with warnings.catch_warnings():  # scikit-learn takes one clip a class for a regression
        warnings.filterwarnings("ignore", message="The number of unique classes", category=UserWarning)
        head = LogisticRegression(max_iter=_ITERATIONS).fit(shown @ axes.T, classes)
    return head.predict(asked @ axes.T)


def estimate_over_episodes(accuracies: Float[np.ndarray, " _"]) -> Estimate:
    """Mean with mean +- 1.96 standard errors, as papers give it: how much other episodes of these clips may differ,
    and not what other clips would say. ValueError for fewer than two episodes."""
    if len(accuracies) < 2:
        raise ValueError(f"{len(accuracies)} episodes have no spread; draw 2 or more")
    mean, reach = float(accuracies.mean()), Z_95 * float(accuracies.std(ddof=1)) / len(accuracies) ** 0.5
    return Estimate(mean, max(0.0, mean - reach), min(1.0, mean + reach), len(accuracies))


def _nearest(means: np.ndarray, asked: np.ndarray) -> np.ndarray:
    return ((means**2).sum(1) - 2 * asked @ means.T).argmin(1)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
