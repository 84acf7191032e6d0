"""Where requests may go: Cronofy's six data centers, or what the operator put in their place.

No URL comes from a file, a row or an answer: `base_url` is the only source, and `same_origin` holds
back an answer that would lead elsewhere.
"""

from __future__ import annotations

from yarl import URL

from worker.errors import SettingsError
from worker.rules.breaker import ELSEWHERE

#: cronofy-api §1.1; an account belongs to exactly one of them
DATA_CENTERS = {
    "us": "https://api.cronofy.com",
    "au": "https://api-au.cronofy.com",
    "ca": "https://api-ca.cronofy.com",
    "de": "https://api-de.cronofy.com",
    "sg": "https://api-sg.cronofy.com",
    "uk": "https://api-uk.cronofy.com",
}


def base_url(data_center: str, override: str | None) -> str:
    """Return the API's address for a data center, without a slash at the end.

    `override` is the operator's CALPATCH_API_URL (the simulator, a proxy). The data center is
    checked in any case, so that a bad row is found before the override is taken away.
    """
    if data_center not in DATA_CENTERS:
        raise SettingsError(
            f"Unknown data center {data_center[:20]!r}",
            next_step=f"Use one of {', '.join(DATA_CENTERS)}",
        )
    return DATA_CENTERS[data_center] if override is None else _checked(override)


def data_center_of(base: str) -> str:
    """Return the name of the data center at an address; `ELSEWHERE` for the operator's own."""
    names = {address: name for name, address in DATA_CENTERS.items()}
    return names.get(base, ELSEWHERE)


def same_origin(url: URL, base: str) -> bool:
    """Tell whether a URL has the scheme, host and port of `base`, and names no user."""
    home = URL(base)
    return (
        (url.scheme, url.host, url.port) == (home.scheme, home.host, home.port)
        and url.user is None
        and url.password is None
    )


def _checked(override: str) -> str:
    # The address itself stays out of the message: it may hold a password.
    wrong = SettingsError(
        "CALPATCH_API_URL is not a usable address",
        next_step="Give http(s)://host[:port][/path], without user, query and fragment",
    )
    try:
        url = URL(override.strip())
        usable = (
            url.scheme in {"http", "https"}
            and bool(url.host)
            and url.port is not None
            and url.user is None
            and url.password is None
            and not url.raw_query_string
            and not url.raw_fragment
        )
    except ValueError:
        raise wrong from None
    if not usable:
        raise wrong
    return str(url).rstrip("/")
