import pytest
import torch
from torch.nn import functional as F

from marey.nn import Nystrom, Orthoformer, SelfAttention
from marey.nn.landmarks import most_orthogonal, pseudo_inverse, segment_means


def attend(landmarks: Orthoformer | Nystrom, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return F.scaled_dot_product_attention(q, *landmarks(q, k, v))


def qkv(n: int = 12, e: int = 8) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    q, k, v = torch.randn(3, 2, 3, n, e).double()
    return q, k, v


def test_the_next_landmark_is_the_one_least_like_those_before() -> None:
    x = torch.randn(2, 3, 20, 5).double()
    chosen = most_orthogonal(x, 7)
    units = F.normalize(x, dim=-1)
    for b in range(2):
        for m in range(3):
            picked = [0]
            while len(picked) < 7:
                alike = (units[b, m] @ units[b, m, picked].T).abs().amax(1)
                alike[picked] = 2.0
                picked.append(int(alike.argmin()))
            assert chosen[b, m].tolist() == picked


def test_how_many_heads_go_together_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(2, 3, 20, 5)
    together = most_orthogonal(x, 7)
    monkeypatch.setattr("marey.nn.landmarks.CACHED", 1)
    assert torch.equal(most_orthogonal(x, 7), together)


def test_the_start_is_the_first_token_or_drawn() -> None:
    x = torch.randn(1, 40, 30, 5)
    assert (most_orthogonal(x, 3)[..., 0] == 0).all()
    assert torch.equal(most_orthogonal(x, 3), most_orthogonal(x, 3))
    drawn = most_orthogonal(x, 3, random_start=True)
    assert len(drawn[..., 0].unique()) > 10
    q, k, v = qkv()
    ours, random = Orthoformer(4), Orthoformer(4, random_start=True)
    assert torch.equal(attend(ours, q, k, v), attend(ours, q, k, v))
    assert not torch.equal(attend(random, q, k, v), attend(random, q, k, v))


def test_orthoformer_is_two_softmaxes() -> None:
    q, k, v = qkv()
    p = q.gather(2, most_orthogonal(q, 5)[..., None].expand(-1, -1, -1, 8))
    scale = 8**-0.5
    want = (q @ p.transpose(2, 3) * scale).softmax(-1) @ ((p @ k.transpose(2, 3) * scale).softmax(-1) @ v)
    torch.testing.assert_close(attend(Orthoformer(5), q, k, v), want)


def test_orthoformer_of_all_tokens_is_exact_where_queries_are_orthogonal_and_long() -> None:
    q, k, v = qkv(n=8, e=8)
    q = 30 * torch.linalg.qr(q).Q
    exact = F.scaled_dot_product_attention(q, k, v)
    torch.testing.assert_close(attend(Orthoformer(8), q, k, v), exact, atol=1e-6, rtol=0)
    assert (attend(Orthoformer(3), q, k, v) - exact).abs().max() > 0.01


def test_nystrom_of_all_tokens_is_exact() -> None:
    q, k, v = qkv(n=6)
    exact = F.scaled_dot_product_attention(q, k, v)
    torch.testing.assert_close(attend(Nystrom(6, iterations=30), q, k, v), exact, atol=1e-6, rtol=0)
    assert (attend(Nystrom(3, iterations=30), q, k, v) - exact).abs().max() > 0.01


def test_nystrom_is_three_softmaxes() -> None:
    q, k, v = qkv()
    asks, answers, scale = segment_means(q, 4), segment_means(k, 4), 8**-0.5
    left = (q @ answers.transpose(2, 3) * scale).softmax(-1)
    middle = torch.linalg.pinv((asks @ answers.transpose(2, 3) * scale).softmax(-1))
    right = (asks @ k.transpose(2, 3) * scale).softmax(-1) @ v
    torch.testing.assert_close(attend(Nystrom(4, iterations=40), q, k, v), left @ middle @ right, atol=1e-6, rtol=1e-6)


def test_the_inverse_gets_better_with_every_step() -> None:
    a = torch.randn(3, 6, 6).double().softmax(-1)
    errors = [(a @ pseudo_inverse(a, steps) @ a - a).abs().max().item() for steps in (2, 6, 10, 14)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-6


def test_segments_are_as_equal_as_can_be() -> None:
    x = torch.arange(10.0).view(1, 1, 10, 1)
    assert segment_means(x, 5).flatten().tolist() == [0.5, 2.5, 4.5, 6.5, 8.5]
    assert segment_means(x, 4).flatten().tolist() == [1.0, 3.0, 6.0, 8.0]  # 0-2, 2-4, 5-7, 7-9


def test_keys_in_groups_are_heard_group_by_group() -> None:
    q, k, v = torch.randn(3, 2, 3, 12, 8).double()
    k, v = k.unflatten(2, (3, 4)), v.unflatten(2, (3, 4))
    keys, values = Orthoformer(4)(q, k, v)
    assert keys.shape == values.shape == (2, 3, 3, 4, 8)
    for t in range(3):
        one_keys, one_values = Orthoformer(4)(q, k[:, :, t], v[:, :, t])
        torch.testing.assert_close((keys[:, :, t], values[:, :, t]), (one_keys, one_values))
    keys, values = Nystrom(2)(q, k, v)
    one_keys, one_values = Nystrom(2)(q, k[:, :, 1], v[:, :, 1])
    torch.testing.assert_close((keys[:, :, 1], values[:, :, 1]), (one_keys, one_values))


@pytest.mark.parametrize("landmarks", [Orthoformer(4), Nystrom(4)], ids=["orthoformer", "nystrom"])
def test_attention_learns_through_landmarks(landmarks: Orthoformer | Nystrom) -> None:
    attention = SelfAttention(8, heads=2, landmarks=landmarks)
    attention(torch.randn(2, 9, 8)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in attention.parameters())


@pytest.mark.parametrize("kind, name", [(Orthoformer, "Orthoformer"), (Nystrom, "Nystrom")])
@pytest.mark.parametrize("count", [0, 10])
def test_more_landmarks_than_tokens_are_refused(kind: type[Orthoformer | Nystrom], name: str, count: int) -> None:
    attention = SelfAttention(8, heads=2, landmarks=kind(count))
    with pytest.raises(ValueError, match=f"{name} has {count} landmarks for 9 tokens; give it 1 at .* 9 at most"):
        attention(torch.randn(1, 9, 8))
