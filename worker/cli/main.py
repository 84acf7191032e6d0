"""The `calpatch` command: the edge where every error becomes one line and an exit code."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from typing import Annotated

import structlog
import typer
from typer.exceptions import TyperException

from worker.cli import (
    accounts,
    apply,
    audit,
    campaign_file,
    demo,
    doctor,
    limits,
    plan,
    processes,
    prune,
    rehearse,
    results,
    retry,
    show,
    simulate,
    status,
    steer,
    submit,
    undo,
    upkeep,
    validate,
    why,
)
from worker.cli.exits import ExitCode
from worker.cli.talk import close_stdout, tell, tell_error
from worker.errors import SettingsError, WorkerError
from worker.report import visible
from worker.settings import Settings

log = structlog.get_logger(__name__)

#: what a full or broken disk says
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG})

app = typer.Typer(
    name="calpatch",
    help="Edits calendar events in bulk through the Cronofy API: once, within the limit, proven.",
    epilog="Begin with: calpatch demo",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

for _module in (
    demo, campaign_file, validate, rehearse, plan, show, apply, submit, status, steer, undo, retry,
    results, why, limits, doctor, accounts, audit, prune, upkeep, processes, simulate,
):  # fmt: skip
    _module.register(app)


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        sys.stdout.write(f"calpatch {installed('calpatch')}\n")
        raise typer.Exit(ExitCode.OK)
    if context.invoked_subcommand is None:
        sys.stdout.write(f"{context.get_help()}\n")
        raise typer.Exit(ExitCode.USAGE)


def main() -> None:
    """Run the command line of this process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # An old locale has no "ü": better a visible escape than no answer at all.
            stream.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        close_stdout()
    except OSError as error:
        close_stdout()
        code = _unwritten(error)
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code; never lets an exception out."""
    return guarded_run(lambda: _invoke(arguments))


def guarded_run(command: Callable[[], int]) -> int:
    """Turn whatever a command raises into one line on stderr and an exit code."""
    try:
        return command()
    except WorkerError as error:
        tell_error(error)
        return error.exit_code
    except TyperException as wrong:
        text = visible(wrong.format_message().replace("\n", " "))
        path = getattr(getattr(wrong, "ctx", None), "command_path", "calpatch")
        tell(f"calpatch: {text} See `{path} --help`")
        return ExitCode.USAGE
    except (KeyboardInterrupt, typer.Abort):
        tell("calpatch: interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return ExitCode.OK
    except OSError as error:
        return _unwritten(error) if error.errno in FULL else _internal(error)
    except Exception as error:
        return _internal(error)


def _invoke(arguments: Sequence[str]) -> int:
    _start_logging()
    result = app(args=list(arguments), standalone_mode=False)
    return result if isinstance(result, int) else ExitCode.OK


def _start_logging() -> None:
    from worker.logs import configure

    try:
        configure(Settings.load(), is_watched=True)
    except SettingsError:
        # The command itself reports it, unless it needs no settings at all (`--help`, `keys new`).
        return


def _unwritten(error: OSError) -> int:
    tell(f"calpatch: the output cannot be written ({error.strerror}); run it again elsewhere")
    return ExitCode.INTERNAL


def _internal(error: Exception) -> int:
    """Name the error's type only: its text may hold anything, a token or a title included."""
    log.debug("cli.failed", exc_info=error)
    tell(
        f"calpatch: internal error ({type(error).__name__}); "
        "run again with CALPATCH_LOG_LEVEL=DEBUG to see where, and report it"
    )
    return ExitCode.INTERNAL
