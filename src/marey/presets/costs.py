"""What every preset costs, measured once and kept in costs.json: tracing all of them anew takes a minute."""

import json
from functools import cache
from importlib.resources import files

from .measure import Cost, count
from .preset import Preset
from .table import PRESETS


def cost_of(preset: Preset) -> Cost:
    """The kept cost of a preset of the table, for its own input; any other is measured."""
    kept = _kept().get(preset.name)
    return kept if kept is not None and PRESETS.get(preset.name) is preset else count(preset)


def costs_json() -> str:
    """The text of costs.json, everything measured anew."""
    rows = []
    for preset in PRESETS.values():
        cost = count(preset)
        rows.append(f'  "{preset.name}": {{"params": {cost.params}, "gmacs": {cost.gmacs!r}}}')
    return "{\n" + ",\n".join(rows) + "\n}\n"


@cache
def _kept() -> dict[str, Cost]:
    return {
        name: Cost(**row) for name, row in json.loads(files("marey.presets").joinpath("costs.json").read_text()).items()
    }
