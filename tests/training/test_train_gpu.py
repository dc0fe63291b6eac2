"""What only a CUDA device can show: bf16 there, memory that really runs out, and going on from a CPU run's state."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from marey.training import Recipe, fit, measure_memory

pytestmark = pytest.mark.gpu
CUDA = torch.device("cuda:0")


class Hungry(nn.Module):
    """Learns a line, and takes `bytes_each` of memory a sample while it does."""

    def __init__(self, bytes_each: int) -> None:
        super().__init__()
        self.line, self.bytes_each = nn.Linear(3, 1), bytes_each

    def forward(self, x: Tensor) -> Tensor:
        ballast = torch.empty(len(x) * self.bytes_each, dtype=torch.uint8, device=x.device)
        return self.line(x) + 0 * ballast[:1].float()


def train(model: nn.Module, recipe: Recipe, device: str, **more):
    inputs = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    targets = inputs.sum(1, keepdim=True)

    def step(batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        return {"loss": (model(batch[0]) - batch[1]).square().mean()}

    batches = [(inputs[i : i + 16], targets[i : i + 16]) for i in range(0, 64, 16)]
    return fit(step, lambda epoch: batches, model=model, recipe=recipe, device=device, **more)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_learns_on_the_gpu(precision, tmp_path: Path) -> None:
    model = Hungry(0)
    fitted = train(model, Recipe(epochs=60, lr=0.1, precision=precision, ema_decay=0.9), "cuda", out=tmp_path)
    assert fitted.history[-1]["loss"] < 0.05 < fitted.history[0]["loss"]
    assert model.line.weight.device == CUDA


def test_memory_that_really_runs_out() -> None:
    total = torch.cuda.get_device_properties(CUDA).total_memory
    said: list[str] = []
    with measure_memory(CUDA) as memory:
        fitted = train(Hungry(total // 6), Recipe(epochs=1), "cuda", say=said.append)
    assert fitted.micro_batch is not None and fitted.micro_batch <= 6 and len(said) == 1
    assert memory.peak_bytes > total // 6


def test_a_cpu_run_goes_on_there(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 6:
            raise KeyboardInterrupt

    recipe = Recipe(epochs=3, lr=0.1, ema_decay=0.9)
    torch.manual_seed(0)
    with pytest.raises(KeyboardInterrupt):
        train(Hungry(0), recipe, "cpu", out=tmp_path, progress=interrupt)
    gpu = train(Hungry(0), recipe, "cuda", out=tmp_path)
    torch.manual_seed(0)
    cpu = train(Hungry(0), recipe, "cpu")
    for a, b in zip(gpu.history, cpu.history, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-3)
