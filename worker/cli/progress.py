"""A bar for what takes long at the command itself; on a terminal only, and on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from worker.cli.talk import console_for_talk


@contextmanager
def bar(what: str, *, total: int, shown: bool = True) -> Iterator[Callable[[int], None] | None]:
    """Show how much of `total` is done; gives what is to be told, None where nobody looks."""
    console = console_for_talk()
    if not (shown and console.is_terminal):
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)
