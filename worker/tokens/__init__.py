"""Tokens: sealed at rest, opened late, refreshed once."""

from __future__ import annotations

from worker.tokens.session import Session
from worker.tokens.vault import Vault, generate_key

__all__ = ["Session", "Vault", "generate_key"]
