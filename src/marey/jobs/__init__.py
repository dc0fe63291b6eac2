"""Whole jobs, paths in and run folder out: what the Python API and the commands call."""

from .cache import CachePart, cache_parts, cache_root, clear_cache
from .demo import DemoResult, demo
from .doctor import Finding, doctor
from .evaluate import evaluate, evaluation_dict
from .flow import FlowFile, flow
from .folds import CrossValidation, cross_validate
from .fuse import evaluate_together
from .narrate import Narrator, Silent, progress_of
from .plan import Plan, plan
from .predict import output_files, predict
from .prepare import ClassEdits, list_videos, load_data, pick_decoder, pick_workers
from .reencode import MANIFEST, PreparedFile, prepare_videos
from .run import flag_of, list_runs, read_run, write_json
from .scores import Trained, open_model, with_labels
from .train import Trial, train

__all__ = [
    "MANIFEST",
    "CachePart",
    "ClassEdits",
    "CrossValidation",
    "DemoResult",
    "Finding",
    "FlowFile",
    "Narrator",
    "Plan",
    "PreparedFile",
    "Silent",
    "Trained",
    "Trial",
    "cache_parts",
    "cache_root",
    "clear_cache",
    "cross_validate",
    "demo",
    "doctor",
    "evaluate",
    "evaluate_together",
    "evaluation_dict",
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
    "read_run",
    "train",
    "with_labels",
    "write_json",
]
