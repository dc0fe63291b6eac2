"""The scripts of bench/ take what they share from each other, as they do when they are run from there."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
