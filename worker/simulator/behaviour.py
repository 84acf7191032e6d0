"""Every switch of the simulated service, each with what is known and what is not.

The numbers in brackets are sections of the API notes. Defaults follow documentation; where nothing
was found
the default is the inferred reading, and the other readings stay selectable so that a client can be
proven safe in all.
"""

import re
from typing import Any, Literal

import msgspec

#: The documented defaults of the service: 50 a second and 500 a minute [§7].
DOCUMENTED_RATE = ((50, 1.0), (500, 60.0))
_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_WINDOW = re.compile(r"(\d+)/([1-9]\d*)?(s|min|h)")
_OFF = ("", "none", "off", "0")


class Behaviour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the simulated service behaves, above all where the real one's behaviour is unknown."""

    # --- limits [§7, §11 row 17] -------------------------------------------------------------
    #: (requests, seconds) windows over the whole application, all tokens together; () = no limit.
    #: Known: 50/s and 500/min. Unknown: the algorithm; sliding windows at arrival are the
    #: strictest.
    rate: tuple[tuple[int, float], ...] = DOCUMENTED_RATE
    #: Unknown: whether a batch of n counts as one request or as n.
    batch_counts_as: Literal["one", "each"] = "one"
    #: Unknown: whether a call that was answered 429 uses up the window too.
    refused_count: bool = False
    #: Unknown: whether the token endpoint counts (it lies outside /v1).
    token_calls_count: bool = False
    #: Unknown: whether a 429 carries Retry-After. None is documented.
    retry_after: bool = True

    # --- what an edit leaves out [§4.3, row 10] ----------------------------------------------
    #: Unknown, probably kept.
    omitted_location: Literal["kept", "reset"] = "kept"
    #: Unknown, may be reset to the default: opaque for timed, transparent for all-day events.
    omitted_transparency: Literal["kept", "reset"] = "kept"

    # --- codes of refusals [§5.2]; 202 always means: accepted, and nothing happens ------------
    #: options.update (or .delete) false. Documented as "not editable" without a code.
    locked_code: Literal[422, 403, 202] = 422
    #: An occurrence of a series. Documented as "not editable" without a code.
    recurring_code: Literal[422, 403, 202] = 422
    #: Deleted event, or a well-formed uid nobody knows. Documented as "cannot be recreated" without
    #: a code.
    gone_code: Literal[202, 404, 422] = 202
    #: Calendar without elevated permission. 403 by an SDK's comment, 202 without effect by an issue
    #: of 2016.
    sandbox_code: Literal[403, 202] = 403
    #: Read-only calendar. "Must not be used"; 403 in a compatible service.
    read_only_code: Literal[403, 422] = 403
    #: Calendar deleted at the provider: listed, not writable; no code found.
    deleted_calendar_code: Literal[404, 403, 422] = 404
    #: Profile without live credentials: 423 is documented, 202 = buffered until it is reconnected.
    disconnected_code: Literal[423, 202] = 423

    # --- reads [§3] --------------------------------------------------------------------------
    #: `to` beyond 201 days ahead: refused like a too old `from`, or cut to the limit. Unknown.
    beyond_window: Literal["422", "clamp"] = "422"
    #: A calendar id of somebody else among calendar_ids[]. 404 is documented for paths only.
    unknown_calendar_read_code: Literal[404, 422] = 404
    #: Events a page. Not documented; a compatible service uses 300.
    page_size: int = 300
    #: Seconds until a page's address dies with 404. Unknown; clients are tested against that 404.
    page_life_s: float = 300.0

    # --- when a write shows [§9, row 1] ------------------------------------------------------
    #: Least and most seconds until reads show an accepted write (uniform between). Unknown.
    lag_s: float = 0.3
    #: None = the same as `lag_s`.
    lag_max_s: float | None = None
    #: Share of accepted writes that never take, drawn by the seed.
    dropped: float = 0.0
    #: Unknown: whether `updated` moves when a write shows. Where not, last_modified does not find
    #: it.
    updated_moves: bool = True
    #: The provider trims the summary, writes CRLF and strips HTML from the description.
    normalise: bool = False

    # --- tokens [§1.3, row 18] ---------------------------------------------------------------
    #: The documentation's example returns the same refresh token; an SDK's fixture another one.
    rotate_refresh_tokens: bool = False
    #: expires_in of user tokens; 3600 in the examples.
    token_life_s: int = 3600
    #: A refresh may hand back the same access token while ten minutes or more are left [3rd].
    same_access_token: bool = False

    # --- the wire ----------------------------------------------------------------------------
    #: Least and most seconds a request takes.
    latency_s: tuple[float, float] = (0.0, 0.0)
    #: Unknown additional keys and enum values in answers: additive changes are not breaking [§1.1].
    extra_keys: bool = False
    #: Seeds every random draw of the simulator.
    seed: int = 1


def changed_behaviour(behaviour: Behaviour, changes: dict[str, Any]) -> Behaviour:
    """`behaviour` with switches set from plain values; ValueError names a bad one."""
    merged = msgspec.to_builtins(behaviour) | changes
    if isinstance(merged.get("rate"), str):
        merged["rate"] = read_rate(merged["rate"])
    try:
        return msgspec.convert(merged, Behaviour, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"behaviour: {error}") from error


def read_switches(pairs: list[str]) -> dict[str, Any]:
    """Reads `key=value` pairs; values are JSON where they can be, else text."""
    return dict(_read_switch(pair) for pair in pairs)


def read_rate(text: str) -> tuple[tuple[int, float], ...]:
    """Reads `50/s,500/min`; an empty text, `off` or `none` is no limit."""
    if text.strip().lower() in _OFF:
        return ()
    return tuple(_read_window(part) for part in text.split(","))


def _read_window(part: str) -> tuple[int, float]:
    found = _WINDOW.fullmatch(part.strip())
    if found is None:
        raise ValueError(f"rate: {part.strip()!r} is not of the form 50/s, 500/min or 100/12s")
    count, spans, unit = found.groups()
    return int(count), int(spans or 1) * _UNITS[unit]


def _read_switch(pair: str) -> tuple[str, Any]:
    key, equals, value = pair.partition("=")
    if not equals or key not in Behaviour.__struct_fields__:
        known = ", ".join(Behaviour.__struct_fields__)
        raise ValueError(f"behaviour: {pair!r} is not key=value with a key among {known}")
    if key in ("rate", "beyond_window"):
        return key, value
    try:
        return key, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return key, value
