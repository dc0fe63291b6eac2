import pytest
import torch
from torch import Tensor

from marey.models import inflate
from marey.nn import NonLocal
from marey.nn.non_local import AFFINITIES

SIZES = {1: (6,), 2: (5, 6), 3: (3, 4, 6)}


def randomized(block: NonLocal) -> NonLocal:
    for p in block.parameters():
        torch.nn.init.normal_(p, std=0.5)
    return block.eval()


def reference(block: NonLocal, x: Tensor, reach: list[list[int]], answers: Tensor) -> Tensor:
    """The paper's sum, a position at a time: position i of `x` (c, n) looks at the positions reach[i] of `answers`."""

    def through(layer: torch.nn.Module, maps: Tensor) -> Tensor:
        weights = [p.flatten(1) if p.ndim > 1 else p[:, None] for p in layer.parameters()]
        return weights[0] @ maps + weights[1] if weights else maps

    theta, phi, g = through(block.theta, x), through(block.phi, answers), through(block.g, answers)
    heard = []
    for i, js in enumerate(reach):
        pairs = [(theta[:, i], phi[:, j]) for j in js]
        if block.affinity == "concatenation":
            w = torch.cat([block.ask.weight[0], block.answer.weight[0]])
            weights = torch.stack([torch.relu(w @ torch.cat(pair)) for pair in pairs]) / len(js)
        else:
            dots = torch.stack([a @ b for a, b in pairs])
            scale = len(theta) ** -0.5 if block.scaled else 1.0
            weights = dots / len(js) if block.affinity == "dot_product" else (dots * scale).softmax(0)
        heard.append(g[:, js] @ weights)
    y = through(block.out, torch.stack(heard, 1))
    return x + block.norm(y.unflatten(1, (-1, 1, 1))[None])[0].flatten(1)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("affinity", AFFINITIES)
def test_a_fresh_block_is_the_identity_bit_for_bit(dims: int, affinity: str) -> None:
    block, x = NonLocal(8, dims=dims, affinity=affinity), torch.randn(2, 8, *SIZES[dims])
    assert torch.equal(block.train()(x), x)
    assert torch.equal(block.eval()(x), x)
    assert not torch.equal(NonLocal(8, dims=dims, affinity=affinity, zero_init=False)(x), x)


@pytest.mark.parametrize(
    "affinity, params", list(zip(AFFINITIES, [8480, 4320, 8480, 8544], strict=True)), ids=AFFINITIES
)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_parameters_of_64_channels(affinity: str, params: int, dims: int) -> None:
    assert sum(p.numel() for p in NonLocal(64, dims=dims, affinity=affinity).parameters()) == params


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("affinity", AFFINITIES)
def test_it_is_the_sum_of_the_paper(affinity: str, scaled: bool) -> None:
    block, x = randomized(NonLocal(6, affinity=affinity, scaled=scaled, pool=False)), torch.randn(1, 6, 2, 3, 2)
    flat = x[0].flatten(1)
    want = reference(block, flat, [list(range(12))] * 12, flat).view(6, 2, 3, 2)
    torch.testing.assert_close(block(x)[0], want, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("affinity", AFFINITIES)
def test_pooled_answers_are_the_largest_of_their_pixels(affinity: str) -> None:
    block, x = randomized(NonLocal(6, affinity=affinity)), torch.randn(1, 6, 2, 4, 5)
    pooled = x[0, :, :, :4, :4].unflatten(2, (2, 2)).unflatten(4, (2, 2)).amax((3, 5)).flatten(1)
    want = reference(block, x[0].flatten(1), [list(range(8))] * 40, pooled).view(6, 2, 4, 5)
    torch.testing.assert_close(block(x)[0], want, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("over", ["space", "time"])
@pytest.mark.parametrize("affinity", AFFINITIES)
def test_over_space_or_time_alone(over: str, affinity: str) -> None:
    block, x = randomized(NonLocal(4, affinity=affinity, over=over, pool=False)), torch.randn(1, 4, 3, 2, 2)
    places = [(t, p) for t in range(3) for p in range(4)]
    reach = [[j for j, (u, q) in enumerate(places) if (u == t if over == "space" else q == p)] for t, p in places]
    flat = x[0].flatten(1)
    torch.testing.assert_close(block(x)[0].flatten(1), reference(block, flat, reach, flat), atol=1e-5, rtol=1e-5)


def test_pooling_over_time_alone_does_nothing() -> None:
    block = randomized(NonLocal(4, over="time"))
    same = NonLocal(4, over="time", pool=False).eval()
    same.load_state_dict(block.state_dict())
    x = torch.randn(2, 4, 3, 4, 4)
    assert torch.equal(block(x), same(x))


def test_a_side_of_one_is_not_pooled_away() -> None:
    x = torch.randn(1, 4, 2, 1, 1)
    assert randomized(NonLocal(4))(x).shape == x.shape


@pytest.mark.parametrize("affinity", AFFINITIES)
def test_every_parameter_learns(affinity: str) -> None:
    block = NonLocal(8, affinity=affinity, zero_init=False)
    (block(torch.randn(2, 8, 3, 4, 4)) ** 2).sum().backward()
    # A bias before a batch normalization is taken away again, and one of phi moves all scores of a softmax alike.
    silent = {"out.bias", "g.bias"} | ({"phi.bias"} if affinity == "embedded_gaussian" else set())
    for name, p in block.named_parameters():
        assert p.grad is not None
        assert p.grad.abs().sum() > 0 or name in silent


def test_what_it_cannot_do_is_refused() -> None:
    with pytest.raises(ValueError, match="dims is 4; a non-local block has 1, 2 or 3"):
        NonLocal(8, dims=4)
    with pytest.raises(ValueError, match="affinity is 'cosine'; a non-local block knows embedded_gaussian, gaussian, "):
        NonLocal(8, affinity="cosine")
    with pytest.raises(ValueError, match=r"over is 'tubes' of 3 dims; .* spacetime, space and time of 3 dims"):
        NonLocal(8, over="tubes")
    with pytest.raises(ValueError, match=r"over is 'time' of 2 dims; .* only spacetime of 1 or 2 dims"):
        NonLocal(8, dims=2, over="time")
    with pytest.raises(ValueError, match="inner is 0; a non-local block needs 1 channel or more inside"):
        NonLocal(8, inner=0)
    with pytest.raises(ValueError, match="NonLocal has 0 channels; it needs at least 1"):
        NonLocal(0)
    with pytest.raises(ValueError, match=r"x has 4 axes \(1, 8, 4, 4\); a non-local block of 3 dims takes 5"):
        NonLocal(8)(torch.randn(1, 8, 4, 4))
    with pytest.raises(ValueError, match="x has 4 channels; a non-local block of 8 channels takes 8"):
        NonLocal(8)(torch.randn(1, 4, 2, 4, 4))


@pytest.mark.parametrize("affinity", AFFINITIES)
def test_pooling_after_the_embeddings(affinity: str) -> None:
    """As of mmaction2: the maxima are of phi and g, and not those of phi and g of the maxima."""
    block, x = randomized(NonLocal(6, affinity=affinity, pool_after=True)), torch.randn(1, 6, 2, 4, 5)
    before = NonLocal(6, affinity=affinity).eval()
    before.load_state_dict(block.state_dict())
    assert not torch.allclose(block(x), before(x), atol=1e-3)
    q, k, v = (layer(x) for layer in (block.theta, block.phi, block.g))
    k, v = (y[..., :4].unflatten(3, (2, 2)).unflatten(5, (2, 2)).amax((4, 6)) for y in (k, v))
    without = NonLocal(6, affinity=affinity, pool=False).eval()
    without.load_state_dict(block.state_dict())
    heard = without._gathered(*(y.flatten(2).transpose(1, 2) for y in (q, k, v)))
    want = x + block.norm(block.out(heard.transpose(1, 2).unflatten(2, x.shape[2:])))
    torch.testing.assert_close(block(x), want, atol=1e-5, rtol=1e-5)


def test_the_last_convolution_may_have_no_bias() -> None:
    assert NonLocal(8, out_bias=False).out.bias is None and NonLocal(8).out.bias is not None


@pytest.mark.parametrize("affinity", AFFINITIES)
@pytest.mark.parametrize("pool_after", [True, False])
def test_a_block_of_images_is_inflated_with_its_network(affinity: str, pool_after: bool) -> None:
    block = randomized(NonLocal(6, dims=2, affinity=affinity, pool_after=pool_after))
    net, image = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3, padding=1), block).eval(), torch.randn(2, 3, 6, 4)
    clips = inflate(net, frames=3, example=image)
    of_equal_frames = clips(image.unsqueeze(2).expand(-1, -1, 5, -1, -1))
    torch.testing.assert_close(
        of_equal_frames, net(image).unsqueeze(2).expand_as(of_equal_frames), atol=1e-4, rtol=1e-4
    )
    with pytest.raises(ValueError, match=r"x has 4 axes \(2, 6, 6, 4\); a non-local block of 3 dims takes 5"):
        clips[1](torch.randn(2, 6, 6, 4))
