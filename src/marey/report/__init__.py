"""Results in, pages, cards, figures, files and overlay videos out. Knows no model."""

from .canvas import save_figure
from .card import render_card
from .compare_page import MOST_CLIPS, render_comparison
from .compare_tables import (
    costs_table,
    effort_table,
    epochs_text,
    labels_table,
    orders_table,
    scores_table,
)
from .figures import timeline_figure
from .files import read_evaluation, read_timeline, write_evaluation, write_events, write_text, write_timeline
from .flow_film import write_flow_film
from .flow_picture import ARROW, RIM, calmest_corner, draw_arrows, flow_colours, flow_legend, flow_picture
from .overlay import draw_overlay, write_overlay
from .page import render_html
from .tables import (
    Table,
    axes_table,
    breakdown_tables,
    cell_text,
    confusions_table,
    cost_cell,
    metrics_table,
    models_table,
    per_class_table,
)
from .transfer_page import render_transfer, ways_table
from .words import (
    beats_guessing,
    beyond_chance,
    counted,
    difference,
    difference_text,
    duration_text,
    estimate_text,
    number_text,
    p_text,
    percent,
    units,
    verdict,
    worst_clips,
)

__all__ = [
    "ARROW",
    "MOST_CLIPS",
    "RIM",
    "Table",
    "axes_table",
    "beats_guessing",
    "beyond_chance",
    "breakdown_tables",
    "calmest_corner",
    "cell_text",
    "confusions_table",
    "cost_cell",
    "costs_table",
    "counted",
    "difference",
    "difference_text",
    "draw_arrows",
    "draw_overlay",
    "duration_text",
    "effort_table",
    "epochs_text",
    "estimate_text",
    "flow_colours",
    "flow_legend",
    "flow_picture",
    "labels_table",
    "metrics_table",
    "models_table",
    "number_text",
    "orders_table",
    "p_text",
    "per_class_table",
    "percent",
    "read_evaluation",
    "read_timeline",
    "render_card",
    "render_comparison",
    "render_html",
    "render_transfer",
    "save_figure",
    "scores_table",
    "timeline_figure",
    "units",
    "verdict",
    "ways_table",
    "worst_clips",
    "write_evaluation",
    "write_events",
    "write_flow_film",
    "write_overlay",
    "write_text",
    "write_timeline",
]
