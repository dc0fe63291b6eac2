"""Pure scoring functions: arrays of scores in, figures with their intervals out."""

from .calibration import Reliability, expected_calibration_error, reliability
from .classification import (
    ClassFigures,
    class_figures,
    confusion_matrix,
    mean_per_class_accuracy,
    top_k_accuracy,
    top_k_correct,
)
from .evaluation import evaluate_scores
from .fuse import ScoreSvm, fit_score_svm, merge_scores, stacked_scores
from .intervals import bootstrap, estimate_class_mean, estimate_mean, paired_difference, wilson
from .label_curve import fit_label_curve
from .novelty import ClassMeans, accepted, clips_to_accept, energy
from .ranking import average_precision, mean_average_precision, precision_recall_curve, rank, roc_auc, roc_curve
from .temperature import fit_temperature, negative_log_likelihood
from .thresholds import (
    Threshold,
    Unreachable,
    false_alarms_allowed,
    halfway,
    rate_at_most,
    share_at_least,
    supportable_rate,
    threshold_for_false_alarms,
    threshold_for_precision,
    threshold_for_recall,
)

__all__ = [
    "ClassFigures",
    "ClassMeans",
    "Reliability",
    "ScoreSvm",
    "Threshold",
    "Unreachable",
    "accepted",
    "average_precision",
    "bootstrap",
    "class_figures",
    "clips_to_accept",
    "confusion_matrix",
    "energy",
    "estimate_class_mean",
    "estimate_mean",
    "evaluate_scores",
    "expected_calibration_error",
    "false_alarms_allowed",
    "fit_label_curve",
    "fit_score_svm",
    "fit_temperature",
    "halfway",
    "mean_average_precision",
    "mean_per_class_accuracy",
    "merge_scores",
    "negative_log_likelihood",
    "paired_difference",
    "precision_recall_curve",
    "rank",
    "rate_at_most",
    "reliability",
    "roc_auc",
    "roc_curve",
    "share_at_least",
    "stacked_scores",
    "supportable_rate",
    "threshold_for_false_alarms",
    "threshold_for_precision",
    "threshold_for_recall",
    "top_k_accuracy",
    "top_k_correct",
    "wilson",
]
