"""Results in, pages, cards, figures, files and overlay videos out. Knows no model."""

from .page import render_html
from .tables import Table, axes_table, breakdown_tables, metrics_table, models_table, per_class_table
from .words import verdict, worst_clips

__all__ = [
    "Table",
    "axes_table",
    "breakdown_tables",
    "metrics_table",
    "models_table",
    "per_class_table",
    "render_html",
    "verdict",
    "worst_clips",
]
