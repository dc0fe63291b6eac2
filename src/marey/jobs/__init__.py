"""Whole jobs, paths in and run folder out: what the Python API and the commands call."""

from .cache import CachePart, cache_parts, cache_root, clear_cache
from .calibrate import Calibrated, calibrate
from .compare import Compared, compare
from .demo import DemoResult, demo
from .doctor import Finding, doctor
from .episode_rows import FewShotRow
from .episodes import FewShot, few_shot
from .evaluate import evaluate, evaluation_dict
from .flow import FlowFile, flow
from .fold_figures import CrossValidation
from .folds import cross_validate
from .fuse import evaluate_together
from .label_need import LabelNeed
from .narrate import Narrator, Silent, progress_of
from .plan import Plan, plan
from .predict import output_files, predict
from .prepare import ClassEdits, list_videos, load_data, pick_decoder, pick_workers
from .ranking import Ranked, RankedClip, rank
from .rebalancing import rebalance
from .reencode import MANIFEST, PreparedFile, prepare_videos
from .run import flag_of, list_runs, read_run, write_json
from .scores import Trained, open_model, with_labels
from .shots import Rebalanced, ShotRow
from .train import Trial, train
from .transfer_table import Transferred, transfer

__all__ = [
    "MANIFEST",
    "CachePart",
    "Calibrated",
    "ClassEdits",
    "Compared",
    "CrossValidation",
    "DemoResult",
    "FewShot",
    "FewShotRow",
    "Finding",
    "FlowFile",
    "LabelNeed",
    "Narrator",
    "Plan",
    "PreparedFile",
    "Ranked",
    "RankedClip",
    "Rebalanced",
    "ShotRow",
    "Silent",
    "Trained",
    "Transferred",
    "Trial",
    "cache_parts",
    "cache_root",
    "calibrate",
    "clear_cache",
    "compare",
    "cross_validate",
    "demo",
    "doctor",
    "evaluate",
    "evaluate_together",
    "evaluation_dict",
    "few_shot",
    "flag_of",
    "flow",
    "list_runs",
    "list_videos",
    "load_data",
    "open_model",
    "output_files",
    "pick_decoder",
    "pick_workers",
    "plan",
    "predict",
    "prepare_videos",
    "progress_of",
    "rank",
    "read_run",
    "rebalance",
    "train",
    "transfer",
    "with_labels",
    "write_json",
]
