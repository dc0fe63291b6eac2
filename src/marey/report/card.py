"""The model card: what the report shows, in words, as Markdown."""

import re
from collections.abc import Mapping

from ..results import Report
from .tables import Table, axes_table, breakdown_tables, confusions_table, facts, models_table, per_class_table
from .words import counted, first_of, percent, score_sentence, verdict

FEWEST_CLIPS = 10  # a class with fewer test clips is named among the limits
MOST_CLASSES = 60  # classes listed one by one


def render_card(report: Report) -> str:
    """model_card.md: use, data, figures with their protocol, limits, how to load. Names cannot break the Markdown."""
    evaluation, run = report.evaluation, report.run
    command = run.get("command")
    done = {key: value for key, value in run.items() if key not in ("command", "data", "folder")}
    data = run.get("data")
    parts = [
        f"# {plain(report.title)}",
        _paragraphs((score_sentence(evaluation), *verdict(report))),
        _bullets(report.notes),
        "## Intended use",
        _use(report),
        "## Data",
        _facts(data if isinstance(data, Mapping) else {"data": data}),
        f"Tested on {counted(len(evaluation.clips), 'clip')} of {counted(len(evaluation.labels), 'class')}.",
        "## Figures",
        *(_table(table) for table in (axes_table(report), models_table(report), *breakdown_tables(report))),
        "All intervals are 95 %. They hold the sampling of the test clips, not the chance of training.",
        "### Protocol",
        _facts(evaluation.protocol),
        "### Classes",
        _classes(report),
        "## Limits",
        _bullets(limits(report)),
        "## How to load",
        _code(f"marey predict {run.get('folder', 'RUN')} VIDEO", "sh"),
        "The folder of this card will do, or its `model.safetensors` alone: both hold the class names.",
        *(("## How to make it again", _code(str(command), "sh")) if command else ()),
        *(("### Run", _facts(done)) if facts(done) else ()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def plain(text: str) -> str:
    """Text that Markdown and HTML take as it stands, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&])", r"\\\1", " ".join(text.split()))


def _paragraphs(sentences: tuple[str, ...]) -> str:
    return " ".join(map(plain, sentences))


def _bullets(sentences: tuple[str, ...]) -> str:
    return "\n".join(f"- {plain(sentence)}" for sentence in sentences)


def _facts(data: Mapping[str, object]) -> str:
    return "\n".join(f"- {plain(name)}: {plain(text)}" for name, text in facts(data))


def _code(text: str, language: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def _table(table: Table) -> str:
    heads = [plain(name) for name, _ in table.columns]
    rule = ["---" if kind == "text" else "---:" for _, kind in table.columns]
    lines = [heads, rule, *([plain(cell) for cell in row] for row in table.texts())]
    note = f"\n\n{plain(table.note)}" if table.note else ""
    return f"**{plain(table.title)}**\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + note


def _use(report: Report) -> str:
    labels = report.evaluation.labels
    named = plain(first_of(labels, most=12))
    multi = report.evaluation.multi_label
    does = "It scores a video clip for each of" if multi else "It tells which one a video clip shows of"
    return (
        f"{does} {len(labels)} classes: {named}. Its figures hold for video like the test clips. It knows no other "
        "classes, and answers with these whatever it is shown. Do not let it decide about people on its own."
    )


def _classes(report: Report) -> str:
    table = per_class_table(report.evaluation)
    if len(table.rows) <= MOST_CLASSES:
        return _table(table)
    return f"The {len(table.rows)} classes are listed in `report.html`."


def limits(report: Report) -> tuple[str, ...]:
    """What the figures do not carry: hard and rarely tested classes, confusions, bad calibration, unread clips."""
    evaluation, said = report.evaluation, []
    rare = [c.label for c in evaluation.per_class if c.clips < FEWEST_CLIPS]
    if rare:
        named = first_of([f"“{label}”" for label in rare], most=10)
        said.append(f"Fewer than {FEWEST_CLIPS} test clips, so their own figures say little: {named}.")
    known = [(c.recall, c.label) for c in evaluation.per_class if c.recall is not None and c.clips >= FEWEST_CLIPS]
    if len(known) > 1 and (worst := min(known))[0] < 1:
        said.append(f"The class it misses most is “{worst[1]}”: it finds {percent(worst[0])} of its clips.")
    if evaluation.confusion and (rows := confusions_table(evaluation).rows):
        truth, taken, clips, _ = rows[0]
        said.append(f"Its most frequent confusion is “{truth}” taken for “{taken}” (clips: {clips}).")
    if error := evaluation.metrics.get("calibration_error"):
        said.append(
            f"Its scores are {percent(error.value)} from how often it is right, on average (calibration error)."
        )
    if not any(clip.group for clip in evaluation.clips):
        said.append("The clips have no known source, so nothing is said of sources that training has not seen.")
    if evaluation.quarantined:
        said.append(f"Every figure leaves out what could not be read: {counted(len(evaluation.quarantined), 'video')}.")
    return tuple(said)
