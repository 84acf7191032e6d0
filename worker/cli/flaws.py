"""Versions of Redis and Valkey with a known flaw that an authenticated client can use.

CVE-2025-49844 is in the Lua interpreter, CVE-2026-23479 in what wakes a client that waits for a
message: both are commands that calpatch's own user needs, so no ACL answers them. Sources: the
advisories, and the release notes of Valkey 8.0.8, 8.1.7 and 9.0.4.
"""

from __future__ import annotations

from typing import TypeAlias

Version: TypeAlias = tuple[int, ...]

_LUA, _UNBLOCK = "CVE-2025-49844", "CVE-2026-23479"
#: the first version with both mended, by line; a line that is not here has none, or is newer
_VALKEY: dict[Version, Version] = {(8, 0): (8, 0, 8), (8, 1): (8, 1, 7), (9, 0): (9, 0, 4)}
_REDIS_LUA: Version = (6, 2, 20)
_REDIS_UNBLOCK: tuple[Version, Version] = ((7, 2, 0), (8, 6, 3))


def flaw_of(product: str, version: str) -> tuple[str, str]:
    """Return (what is known, the version to use) about a server; two empty texts for nothing.

    A distributor may have mended an older version under its old number.
    """
    numbers = tuple(int(part) for part in version.split(".") if part.isdigit())
    if not numbers:
        return "", ""
    return _of_valkey(numbers) if product == "Valkey" else _of_redis(numbers)


def _of_valkey(version: Version) -> tuple[str, str]:
    line = version[:2]
    if line < min(_VALKEY):
        return f"{_LUA}, {_UNBLOCK}", "Valkey 8.0.8 or newer"
    mended = _VALKEY.get(line)
    if mended is None or version >= mended:
        return "", ""
    return _UNBLOCK, f"Valkey {'.'.join(map(str, mended))} or newer"


def _of_redis(version: Version) -> tuple[str, str]:
    first, mended = _REDIS_UNBLOCK
    newest = f"Redis {'.'.join(map(str, mended))} or newer"
    if first <= version < mended:
        return _UNBLOCK, newest
    is_mended = version >= mended or (version[:2] == _REDIS_LUA[:2] and version >= _REDIS_LUA)
    return ("", "") if is_mended else (_LUA, newest)
