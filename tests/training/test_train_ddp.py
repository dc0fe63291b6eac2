"""Two processes under plain torchrun train as one process does on the same samples."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from marey.training import Recipe, fit, shard

SCRIPT = """
import json, os, sys, warnings
warnings.simplefilter("error")
from pathlib import Path
import torch
sys.path.insert(0, sys.argv[2])
from test_train_ddp import train
from marey.training import process_place
rank, processes = process_place()
out = Path(sys.argv[1])
model, fitted = train(out / "run", rank, processes)
(out / f"rank{rank}.json").write_text(json.dumps({
    "micro": fitted.micro_batch,
    "weights": model[0].weight.tolist(),
    "rows": [{k: v for k, v in row.items() if k not in ("seconds", "data_wait")} for row in fitted.history],
}))
torch.distributed.destroy_process_group()
"""


class Net(nn.Sequential):
    """With a parameter that nothing uses, as some published networks have."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        super().__init__(nn.Linear(6, 3))
        self.unused = nn.Parameter(torch.ones(2))


def train(out: Path | None, rank: int, processes: int):
    generator = torch.Generator().manual_seed(5)
    inputs, classes = torch.randn(24, 6, generator=generator), torch.randint(3, (24,), generator=generator)
    model = Net(seed=rank)  # processes that start apart must still train the same weights

    def batches(epoch: int) -> list[torch.Tensor]:
        share = shard(range(24), rank=rank, processes=processes)
        return list(torch.as_tensor(share).split(8 // processes))

    def step(batch: torch.Tensor) -> dict[str, torch.Tensor]:
        if rank == 1 and len(batch) > 2:
            raise torch.OutOfMemoryError("the second process has less memory")
        return {"loss": functional.cross_entropy(model(inputs[batch]), classes[batch])}

    def validate(model: nn.Module) -> dict[str, float]:
        return {"rank": rank, "loss": float(functional.cross_entropy(model(inputs), classes))}

    recipe = Recipe(epochs=3, lr=0.05, accumulate=2, ema_decay=0.9, clip_norm=0.5, monitor="val_loss")
    return model, fit(step, batches, model=model, recipe=recipe, out=out, device="cpu", validate=validate)


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(tmp_path), str(Path(__file__).parent)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0 and "Warning" not in done.stderr, done.stderr
    first, second = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1))
    assert first == second and first["micro"] == 2
    alone, fitted = train(None, 0, 1)
    assert torch.tensor(first["weights"]) == pytest.approx(alone[0].weight.detach(), abs=1e-6)
    for row, other in zip(first["rows"], fitted.history, strict=True):
        for name, value in row.items():
            assert value == pytest.approx(other[name], abs=1e-5), name
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 3
