"""Where a run keeps how its scores are to be read: calibration.json beside the model that it was made for."""

import json
from pathlib import Path

from ..errors import CheckpointError
from ..tasks import Calibration, Recognition
from ..training import file_hash
from .run import write_json

MODEL, NAME = "model.safetensors", "calibration.json"


def read_calibration(model: Path, task: Recognition) -> Calibration | None:
    """The calibration of a run's model; None where there is none, CheckpointError for one that does not fit it."""
    path = model.with_name(NAME)
    if model.name != MODEL or not path.is_file():
        return None
    cure = f"`marey calibrate {model.parent}` makes it anew; without the file the scores are taken as they are"
    try:
        found = Calibration.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged or of another version ({error}); {cure}") from None
    if found.checkpoint != file_hash(model):
        raise CheckpointError(f"{path} was made for another model than {model.name} now is; {cure}")
    if set(found.temperature) != set(task.heads):
        raise CheckpointError(f"{path} knows other heads than the model ({', '.join(task.heads)}); {cure}")
    return found


def write_calibration(model: Path, calibration: Calibration) -> Path:
    """Write it whole or not at all; the path of the file."""
    path = model.with_name(NAME)
    write_json(path, calibration.to_dict())
    return path
