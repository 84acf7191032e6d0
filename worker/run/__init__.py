"""A chunk's run: claim → fetch → decide → intend → apply → record → release (DESIGN §3)."""

from __future__ import annotations

from worker.run.chunk import run_chunk

__all__ = ["run_chunk"]
