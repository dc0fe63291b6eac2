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
from .few_shot import (
    CLASSIFIERS,
    Episode,
    classify,
    draw_episode,
    draw_episodes,
    estimate_over_episodes,
    few_shot_accuracies,
    linear_head,
    zero_shot_accuracies,
)
from .fuse import ScoreSvm, fit_score_svm, merge_scores, stacked_scores
from .intervals import (
    bootstrap,
    estimate_class_mean,
    estimate_mean,
    estimate_rounds,
    group_codes,
    paired_difference,
    wilson,
)
from .label_curve import fit_label_curve
from .labelling import label_next, uncertainty
from .novelty import ClassMeans, accepted, clips_to_accept, energy
from .paired import SIGNIFICANT, holm, sign_flip_test, too_few_to_tell
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
    "CLASSIFIERS",
    "SIGNIFICANT",
    "ClassFigures",
    "ClassMeans",
    "Episode",
    "Reliability",
    "ScoreSvm",
    "Threshold",
    "Unreachable",
    "accepted",
    "average_precision",
    "bootstrap",
    "class_figures",
    "classify",
    "clips_to_accept",
    "confusion_matrix",
    "draw_episode",
    "draw_episodes",
    "energy",
    "estimate_class_mean",
    "estimate_mean",
    "estimate_over_episodes",
    "estimate_rounds",
    "evaluate_scores",
    "expected_calibration_error",
    "false_alarms_allowed",
    "few_shot_accuracies",
    "fit_label_curve",
    "fit_score_svm",
    "fit_temperature",
    "group_codes",
    "halfway",
    "holm",
    "label_next",
    "linear_head",
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
    "sign_flip_test",
    "stacked_scores",
    "supportable_rate",
    "threshold_for_false_alarms",
    "threshold_for_precision",
    "threshold_for_recall",
    "too_few_to_tell",
    "top_k_accuracy",
    "top_k_correct",
    "uncertainty",
    "wilson",
    "zero_shot_accuracies",
]
