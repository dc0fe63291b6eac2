"""Recipe, schedule, optimizer and moving average."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from marey.errors import UsageError
from marey.training import Recipe, warmup_cosine
from marey.training.ema import MovingAverage
from marey.training.optimizer import gradient_norm, load_optimizer, make_optimizer, optimizer_tensors, set_rates
from marey.training.schedule import rate_at

GOOD = Recipe(epochs=10)


@pytest.mark.parametrize(
    "wrong, sentence",
    [
        ({"epochs": 0}, "epochs is 0; give a number from 1 to 100000"),
        ({"epochs": -3}, "epochs is -3; give a number from 1"),
        ({"lr": -0.1}, "lr is -0.1; give a number from 1e-10 to 100"),
        ({"lr": float("nan")}, "lr is nan; give a number"),
        ({"lr": float("inf")}, "lr is inf; give a number"),
        ({"weight_decay": -1.0}, r"weight_decay is -1.0; give a number from 0 to 10"),
        ({"momentum": 1.0}, "momentum is 1.0; give a number from 0 to 0.9999"),
        ({"warmup_fraction": 1.0}, "warmup_fraction is 1.0; give a number from 0 to 0.9"),
        ({"final_lr_fraction": 2.0}, "final_lr_fraction is 2.0; give"),
        ({"layer_decay": 0.0}, "layer_decay is 0.0; give a number from 0.01 to 1"),
        ({"head_first": 0.95}, "head_first is 0.95; give a number from 0 to 0.9"),
        ({"clip_norm": 0.0}, "clip_norm is 0.0; give"),
        ({"accumulate": 0}, "accumulate is 0; give"),
        ({"ema_decay": 1.0}, "ema_decay is 1.0; give"),
        ({"monitor": "val_top1", "patience": 0}, "patience is 0; give"),
        ({"patience": 3}, "patience is 3, but no figure is monitored; validation data is needed"),
        ({"seed": -1}, "seed is -1; give"),
    ],
)
def test_absurd_values_are_refused(wrong, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        replace(GOOD, **wrong)


def test_unknown_names_are_refused() -> None:
    """Through JSON, as types would stop them here."""
    for name, value, sentence in (
        ("optimizer", "adam", "optimizer is 'adam'; it can be adamw or sgd"),
        ("precision", "fp16", "precision is 'fp16'; it can be fp32 or bf16"),
    ):
        data = {**GOOD.to_dict(), name: value}
        with pytest.raises(UsageError, match=sentence):
            _unchecked(data)


def _unchecked(data: dict) -> None:
    recipe = object.__new__(Recipe)
    for name, value in data.items():
        object.__setattr__(recipe, name, value)
    recipe.__post_init__()


def test_there_and_back_through_json() -> None:
    assert Recipe.from_dict(json.loads(json.dumps(GOOD.to_dict()))) == GOOD


def test_better() -> None:
    high, low = replace(GOOD, monitor="val_top1"), replace(GOOD, monitor="val_loss")
    assert high.better(0.5, 0.4) and not high.better(0.4, 0.4) and high.better(0.0, None)
    assert low.better(0.4, 0.5) and not low.better(0.5, 0.5)
    assert not high.better(float("nan"), None) and not low.better(float("nan"), 0.3)


@given(st.integers(1, 500), st.floats(0, 0.9), st.floats(0, 1))
def test_schedule_rises_then_falls(total: int, warmup: float, final: float) -> None:
    factors = [warmup_cosine(step, total, warmup_fraction=warmup, final_fraction=final) for step in range(total + 1)]
    peak = round(warmup * total)
    assert all(0 < f <= 1 for f in factors[:peak]) and all(final - 1e-9 <= f <= 1 for f in factors[peak:])
    assert all(a < b for a, b in pairwise(factors[:peak]))
    assert all(a >= b for a, b in pairwise(factors[peak:]))
    assert factors[peak] == pytest.approx(1.0) and (peak == total or factors[-1] == pytest.approx(final))


def test_known_points_of_the_schedule() -> None:
    at = [warmup_cosine(step, 12, warmup_fraction=1 / 6, final_fraction=0.2) for step in (0, 1, 2, 7, 12, 99)]
    assert at == pytest.approx([0.5, 1.0, 1.0, 0.6, 0.2, 0.2])


@pytest.mark.parametrize("name, factor", [("adamw", 1), ("sgd", 1.9)])  # Nesterov: the decay's own momentum
def test_biases_and_norms_do_not_decay(name, factor) -> None:
    model = nn.Sequential(nn.Conv3d(3, 4, 1), nn.BatchNorm3d(4))
    optimizer = make_optimizer(model, replace(GOOD, optimizer=name, lr=0.1, weight_decay=0.5))
    before = [p.detach().clone() for p in model.parameters()]
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    after = list(model.parameters())
    torch.testing.assert_close(after[0], before[0] * (1 - 0.1 * 0.5 * factor))
    assert all(torch.equal(a, b) for a, b in zip(after[1:], before[1:], strict=True))


def test_every_parameter_is_in_one_group_with_the_rate_of_its_depth() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 4), nn.Linear(4, 2))
    depths = {"0.weight": 2, "0.bias": 2, "1.weight": 1, "1.bias": 1, "2.weight": 1, "2.bias": 1}
    recipe = replace(GOOD, lr=0.8, layer_decay=0.5, warmup_fraction=0.0)
    optimizer = make_optimizer(model, recipe, depths)
    set_rates(optimizer, recipe, 0, 10)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert [rates[id(p)] for p in model.parameters()] == [0.2, 0.2, *[0.4] * 4, 0.8, 0.8]
    sizes = [sum(p.numel() for p in group["params"]) for group in optimizer.param_groups]
    assert sizes == [8, 2, 16, 12, 12, 4] and sum(sizes) == sum(p.numel() for p in model.parameters())
    assert [group["weight_decay"] > 0 for group in optimizer.param_groups] == [True, False] * 3
    plain = make_optimizer(model, recipe)
    assert [len(group["params"]) for group in plain.param_groups] == [3, 5]
    set_rates(plain, recipe, 5, 10)
    assert [group["lr"] for group in plain.param_groups] == pytest.approx([0.4, 0.4])


def test_what_lies_below_waits_for_the_classifier_and_then_warms_up() -> None:
    recipe = replace(GOOD, lr=1.0, head_first=0.2, warmup_fraction=0.25, layer_decay=0.5)
    top, below = ([rate_at(recipe, place, 10, depth=depth) for place in range(10)] for depth in (0, 1))
    assert below[:2] == [0, 0] and below[2:5] == pytest.approx([0.25, 0.5, 0.5])
    assert top == [warmup_cosine(place, 10, warmup_fraction=0.25) for place in range(10)]
    assert all(a > b for a, b in zip(top, below, strict=True)) and below[-1] > 0


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_a_rate_of_zero_moves_nothing(name) -> None:
    model, recipe = nn.Linear(3, 2), replace(GOOD, optimizer=name, head_first=0.5, weight_decay=0.5)
    optimizer = make_optimizer(model, recipe, {"weight": 1, "bias": 0})
    weight, bias = model.weight.detach().clone(), model.bias.detach().clone()
    for place in (0, 1):
        set_rates(optimizer, recipe, place, 4)
        model(torch.ones(1, 3)).sum().backward()
        optimizer.step()
    assert torch.equal(model.weight, weight) and not torch.equal(model.bias, bias)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_optimizer_state_there_and_back(name) -> None:
    def stepped(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        model(torch.ones(1, 3)).sum().backward()
        optimizer.step()

    model, recipe = nn.Linear(3, 2), replace(GOOD, optimizer=name)
    optimizer = make_optimizer(model, recipe)
    stepped(model, optimizer)
    other = nn.Linear(3, 2)
    other.load_state_dict(model.state_dict())
    again = make_optimizer(other, recipe)
    load_optimizer(again, {key: tensor.clone() for key, tensor in optimizer_tensors(optimizer).items()})
    for net, each in ((model, optimizer), (other, again)):
        net.zero_grad()
        stepped(net, each)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_gradients_are_clipped_to_the_norm() -> None:
    p = nn.Parameter(torch.zeros(2))
    p.grad = torch.tensor([3.0, 4.0])
    assert gradient_norm([p], None) == 5 and torch.equal(p.grad, torch.tensor([3.0, 4.0]))
    assert gradient_norm([p], 1.0) == 5
    torch.testing.assert_close(p.grad, torch.tensor([0.6, 0.8]))
    assert gradient_norm([p], 10.0) == pytest.approx(1.0) and p.grad.norm() == pytest.approx(1.0)


def test_moving_average() -> None:
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    average = MovingAverage(model, decay=0.5)
    model.weight.data.fill_(1.0)
    average.update(0)  # decay (1 + 0) / (10 + 0)
    assert average.tensors["weight"].item() == pytest.approx(0.9)
    average.update(1000)  # the full decay
    assert average.tensors["weight"].item() == pytest.approx(0.95)
    with pytest.raises(KeyError), average.swapped():
        assert model.weight.item() == pytest.approx(0.95)
        raise KeyError
    assert model.weight.item() == 1.0 and average.tensors["weight"].item() == pytest.approx(0.95)
    average.copy_to_module()
    assert model.weight.item() == pytest.approx(0.95)
