"""PostgreSQL's cursors for long reads; importing this loads the driver."""

from __future__ import annotations

from typing import Any

from psycopg import OperationalError, ServerCursor


class ClosingCursor(ServerCursor[Any]):
    """One that is closed also when the server died while rows were read from it.

    psycopg's own raises then, stays open, and warns of it whenever the garbage is collected.
    """

    def close(self) -> None:
        """Close it; raises what the server's end of it raises."""
        try:
            super().close()
        except OperationalError:
            super().close()  # the connection is known to be closed now: nothing is asked of it
            raise
