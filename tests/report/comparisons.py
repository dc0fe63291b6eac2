"""Comparisons to draw: with everything in them, and with nothing that can be left out."""

import numpy as np

from marey.results import Candidate, ClipScore, Comparison, Estimate, Guess, LabelCurve, OrderTest

EVIL = '<script>alert("x")</script> & 日本語 $\\frac$ | `_`'
PRESETS = (  # parameters, GMACs, ms a clip, accuracy, folds
    ("motion_appearance", 3_405_064, 3.839, 61.0, 0.80, 5),
    ("single_frame", 167_920, 0.009, 8.1, 0.59, 5),
    ("efficientnet_lite0_frame", 3_401_752, 0.384, 14.0, 0.61, 5),
    ("efficientnet_lite0_difference", 3_437_592, 6.143, 92.0, 0.69, 5),
    ("efficientnet_lite0_attention", 3_568_408, 6.145, 93.5, 0.68, 5),
    ("efficientnet_lite0_lstm", 4_952_088, 6.168, 94.0, 0.66, 2),
    ("motion", 600, 4.8e-8, 40.0, 0.74, 5),
    ("i3d_stage", 1_199_224, 0.223, 31.0, 0.63, 1),
    ("slowfast_stage", 811_800, 0.235, 33.0, 0.64, 1),
)
ORDERS = ("as filmed", "frozen", "shuffled", "reversed")


def around(value: float, half: float = 0.07, n: int = 33) -> Estimate:
    return Estimate(value, max(value - half, -1.0), min(value + half, 1.0), n)


def make_comparison(*, classes: int = 6, evil: bool = False) -> Comparison:
    draw = np.random.default_rng(0)
    labels = (*(f"class {i}" for i in range(classes - 1)), EVIL if evil else "fall down")
    names = tuple(EVIL if evil and i == 1 else name for i, (name, *_) in enumerate(PRESETS))
    candidates = tuple(
        Candidate(
            preset=name,
            folds=folds,
            score=around(score, 0.06 if folds == 5 else 0.12),
            balanced=around(score - 0.01),
            known=around(score + 0.08),
            behind=around(score - PRESETS[0][4], 0.05) if i else None,
            stopped="" if folds == 5 else f"hopeless after {folds} of 5 folds <b>",
            efficiency={
                "params": params,
                "gmacs": gmacs,
                "gmacs_in_part": name.startswith("motion"),
                "ms_per_clip": ms,
                "peak_memory_mb": 300 + i,
                "train_memory_mb": 800 + i,
                "train_minutes": 3.1,
            },
            epochs=100 if folds == 5 else 23,
            usual_epochs=100,
            history=tuple(
                {"epoch": e, "loss": 2 / (e + 1 + i), "val_loss": 3 / (e + 1), "val_top1": score * (1 - 0.6 ** (e + 1))}
                for e in range(4 + 3 * i)
            ),
            p_value=None if folds == 1 else (None, 0.0004, 0.0213, 0.0833)[min(i, 3)],
        )
        for i, (name, (_, params, gmacs, ms, score, folds)) in enumerate(zip(names, PRESETS, strict=True))
    )
    orders = tuple(
        OrderTest(
            p_values=p_values,
            preset=names[i],
            overall={order: around(score) for order, score in zip(ORDERS, scores, strict=True)},
            per_class={
                label: {o: float(np.clip(s + draw.normal(0, 0.15), 0, 1)) for o, s in zip(ORDERS, scores, strict=True)}
                for label in labels
            },
        )
        for i, scores, p_values in (
            (0, (0.80, 0.52, 0.61, 0.70), {"frozen": 0.0003, "shuffled": 0.011, "reversed": 0.09}),
            (1, (0.59, 0.59, 0.58, 0.59), {"shuffled": 1.0, "reversed": 1.0}),
        )
    )
    sizes = (8, 16, 40, 81, 162)
    label_curves = tuple(
        LabelCurve(
            preset=names[i],
            points=tuple((n, around(1 - floor - scale * n**-exponent + draw.normal(0, 0.01))) for n in sizes),
            scale=scale,
            exponent=exponent,
            doubled=around(1 - floor - scale * 324**-exponent, 0.05) if i < 2 else None,
            floor=floor,
        )
        for i, floor, scale, exponent in ((0, 0.0, 1.1, 0.33), (1, 0.2, 0.6, 0.3), (2, 0.0, 0.75, 0.12))
    )
    clips = tuple(
        ClipScore(
            f"clips/<i>{i}</i>.mp4",
            i / 2,
            i / 2 + 2,
            (labels[-1],),
            labels[-1],
            tuple(draw.dirichlet(np.ones(classes))),
            "s01",
        )
        for i in range(30)
    )
    return Comparison(
        title="Which model for <b>fights</b>" if evil else "Which model for fights",
        protocol={"data": "a <b>.csv", "clips": 202, "seed": 0, "versions": {"marey": "0.1.0", "torch": "2.13"}},
        labels=labels,
        candidates=candidates,
        orders=orders,
        label_curves=label_curves,
        only_temporal=clips,
        recommended=names[0],
        reason="It is 21 points better than the model of a single frame, beyond chance; no cheaper one is as good.",
        command="marey train 'a <b>.csv' --preset motion_appearance",
        advice="Yes: with one frame standing still, accuracy falls from 80 to 52 %. Keep a model that sees motion.",
        budget_minutes=30,
        minutes=28.4,
        notes=("Mind the <gap>.",),
        guess=Guess("fall down", 0.25, 0.0004),
    )


def bare_comparison() -> Comparison:
    """One model, tried once, and nothing else."""
    score = around(0.6, n=1)
    return Comparison(
        title="A test",
        protocol={},
        labels=("a", "b"),
        candidates=(Candidate("single_frame", 1, score, score, None, None, "", {}, 10, 10),),
        orders=(),
        label_curves=(),
        only_temporal=(),
        recommended="single_frame",
        reason="It is the only one.",
        command="marey train data",
        advice="",
        budget_minutes=1,
        minutes=0.5,
    )
