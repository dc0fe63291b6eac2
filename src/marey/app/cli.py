"""The command line: `main` runs a command and turns whatever goes wrong into one sentence and an exit code."""

import os
import sys

import typer
from typer.exceptions import TyperException

from ..errors import MareyError
from . import console, learn, look, weights

app = typer.Typer(
    name="marey",
    help="Learn, use and inspect representations of video, on your own videos, with numbers you can trust.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for commands in (learn.COMMANDS, look.COMMANDS):
    for name, function in commands.items():
        app.command(name)(function)
app.add_typer(weights.app, name="weights")


def main(arguments: list[str] | None = None) -> int:
    """Run one command. 0 done, 1 the work failed, 2 bad usage, 130 interrupted."""
    try:
        return int(app(arguments, prog_name="marey", standalone_mode=False) or 0)
    except typer.Exit as leave:
        return leave.exit_code
    except MareyError as error:
        console.print_error(str(error))
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        console.print_error("interrupted; a training run goes on when its command is given again with --out its folder")
        return 130
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
