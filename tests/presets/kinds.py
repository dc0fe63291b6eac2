"""Which presets stand for others: those that share a miniature are one network at several sizes or shares."""

import pytest

from marey.presets import PRESETS, Preset

FIRST: dict[tuple, Preset] = {}
for row in PRESETS.values():
    FIRST.setdefault((row.mini, row.clip.channels, row.dense, row.frozen, row.dead_keys), row)
KINDS = [pytest.param(row, id=row.name) for row in FIRST.values()]
ALL = [
    pytest.param(row, id=row.name, marks=() if row in FIRST.values() else pytest.mark.slow) for row in PRESETS.values()
]
