"""The command line: `main` runs a command and turns whatever goes wrong into one sentence and an exit code."""

import os
import sys

import typer
from typer.exceptions import TyperException

from ..errors import MareyError
from . import compare, console, few_shot, learn, look, motion, rank, rebalance, transfer, weights
from .train import INTERRUPTED

app = typer.Typer(
    name="marey",
    help="Learn, use and inspect representations of video, on your own videos, with numbers you can trust.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for commands in (
    learn.COMMANDS,
    compare.COMMANDS,
    transfer.COMMANDS,
    motion.COMMANDS,
    look.COMMANDS,
    rebalance.COMMANDS,
    few_shot.COMMANDS,
    rank.COMMANDS,
):
    for name, function in commands.items():
        app.command(name)(function)
app.add_typer(weights.app, name="weights")

AFTER_INTERRUPT = {  # command -> what is left, and how to go on; train says it itself, the others leave nothing
    "demo": "what is finished is kept: give the same command to go on",
    "flow": "what is finished is kept: give the same command to go on",
    "prepare": "what is finished is kept: give the same command to go on",
    "stage": "the same command renders the folder anew",
    "predict": "what is written for earlier videos is whole; the same command starts over",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command. 0 done, 1 the work failed, 2 bad usage, 130 interrupted."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        code = int(app(words, prog_name="marey", standalone_mode=False) or 0)
        return _interrupted(words) if code == INTERRUPTED else code  # Typer makes a code of Ctrl-C
    except MareyError as error:
        console.print_error(str(error))
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted(words)
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away (`marey models | head`): nothing is wrong
        return 0
    except OSError as error:
        console.print_error(
            f"{error.filename or 'the system'}: {error.strerror or error}; check the place and its rights"
        )
        return 1
    except TyperException as error:
        return _usage(error)


def run() -> None:
    """The console script."""
    # Threads that wait by spinning slow torch sixfold as soon as another program wants a core.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.exit(main())


def _interrupted(words: list[str]) -> int:
    command = next((word for word in words if not word.startswith("-")), "")
    console.print_error(f"interrupted; {AFTER_INTERRUPT.get(command, 'the same command starts over')}")
    return INTERRUPTED


def _usage(error: TyperException) -> int:
    """A refusal of the argument parser, as one sentence; asking for help by giving nothing is no error."""
    if type(error).__name__ == "NoArgsIsHelpError":
        console.print_text(str(error))
        return 0
    sentence = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "marey"
    console.print_error(f"{sentence.rstrip('.')}; `{command} --help` explains")
    return 2
