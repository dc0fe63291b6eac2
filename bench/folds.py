"""Grouped folds on a labelled data set, the protocol of docs/protocol.md: several presets on the very same folds.

python bench/folds.py DATA [PRESET ...]   (default: the rule's preset and the single frame beside it)

Fixed before anything was tuned: 5 folds by group, stratified, fold seeds 0 to 4, pooled out-of-fold answers, means over
the seeds, 95 % intervals from 2000 resamples of the groups, differences paired clip by clip against the single frame.
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path

from marey.app.console import Terminal
from marey.data import read_manifest
from marey.jobs import cross_validate


def main(data: str, presets: list[str]) -> None:
    labels = Counter(sample.labels["label"][0] for sample in read_manifest(data).samples)
    label, clips = labels.most_common(1)[0]
    print(f"always {label!r}: {clips / labels.total():.1%}")
    for preset in presets or [None]:
        with tempfile.TemporaryDirectory() as folder, Terminal(quiet=False, verbose=False) as terminal:
            result = cross_validate(data, preset=preset, out=Path(folder) / "folds", narrator=terminal)
        for name, figures in result.figures.items():
            for figure, e in figures.items():
                print(f"{name} {figure}: {e.value:.1%} [{e.low:.1%}, {e.high:.1%}]")
        for name, e in result.paired.items():
            print(f"{result.preset} less {name}: {e.value:+.1%} [{e.low:+.1%}, {e.high:+.1%}]")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("name the data: python bench/folds.py DATA [PRESET ...]")
    main(sys.argv[1], sys.argv[2:])
