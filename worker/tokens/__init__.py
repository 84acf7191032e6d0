"""Tokens: sealed at rest, opened late, refreshed once."""

from __future__ import annotations

from worker.tokens.rotation import KeyUse, Rotated, key_uses, rotate
from worker.tokens.session import Session
from worker.tokens.vault import Vault, generate_key

__all__ = ["KeyUse", "Rotated", "Session", "Vault", "generate_key", "key_uses", "rotate"]
