"""`python -m marey`: the command line without the console script."""

from .app.cli import run

run()
