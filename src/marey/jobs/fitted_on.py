"""Which clips a calibration was fitted on, so that what it does to others is not judged on them."""

from collections.abc import Sequence
from pathlib import Path

from ..data import Sample
from ..errors import UsageError
from ..report import counted
from ..tasks import Calibration
from .clips_of_run import count_shown, manifest_of
from .narrate import Narrator
from .run import read_run


def tell_fitted(samples: Sequence[Sample], calibration: Calibration, narrator: Narrator) -> int | str:
    """How many of the samples a model was calibrated on, for the stamp of their figures; where there are any, a
    warning. "unknown" for a calibration that did not keep them."""
    if calibration.fitted_on is None:
        return "unknown"
    shown = count_shown(samples, [Sample(path, {}, start_s, end_s) for path, start_s, end_s in calibration.fitted_on])
    if shown:
        narrator.say(
            f"warning: the model was calibrated on {shown} of the {counted(len(samples), 'clip')}, so calibration "
            "error and precision and recall at its thresholds say too little of others"
        )
    return shown


def tell_test_clips(samples: Sequence[Sample], folder: Path, narrator: Narrator) -> None:
    """A warning where the clips to fit on are among those that the run is judged on."""
    try:
        test = manifest_of(read_run(folder)).part("test")
    except UsageError:  # the clips of the run are not known, and it cannot be evaluated on them either
        return
    shown = count_shown(samples, test)
    if shown:
        narrator.say(
            f"warning: {shown} of the {counted(len(samples), 'clip')} to calibrate on are test clips of the run, on "
            "which it cannot be judged then; take other clips, or judge it on others"
        )
