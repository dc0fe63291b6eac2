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
from .ranking import average_precision, mean_average_precision, precision_recall_curve, rank, roc_auc, roc_curve

__all__ = [
    "ClassFigures",
    "Reliability",
    "ScoreSvm",
    "average_precision",
    "bootstrap",
    "class_figures",
    "confusion_matrix",
    "estimate_class_mean",
    "estimate_mean",
    "evaluate_scores",
    "expected_calibration_error",
    "fit_score_svm",
    "mean_average_precision",
    "mean_per_class_accuracy",
    "merge_scores",
    "paired_difference",
    "precision_recall_curve",
    "rank",
    "reliability",
    "roc_auc",
    "roc_curve",
    "stacked_scores",
    "top_k_accuracy",
    "top_k_correct",
    "wilson",
]
