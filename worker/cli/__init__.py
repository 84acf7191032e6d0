"""The `calpatch` command."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line of this process; the entry point."""
    from worker.cli.main import main as run_command

    run_command()
