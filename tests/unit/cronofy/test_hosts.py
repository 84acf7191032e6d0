"""Where requests may go."""

from __future__ import annotations

import pytest
from yarl import URL

from worker.cronofy import DATA_CENTERS, base_url
from worker.cronofy.hosts import same_origin
from worker.errors import SettingsError


@pytest.mark.parametrize("data_center", DATA_CENTERS)
def test_every_data_center_is_a_host_of_cronofy_over_tls(data_center: str) -> None:
    """No row can send a token anywhere else."""
    address = URL(base_url(data_center, None))
    assert address.scheme == "https"
    assert address.host is not None
    assert address.host.endswith(".cronofy.com")


@pytest.mark.parametrize(
    "data_center",
    [
        "", "US", "us ", "us.evil.example", "us@evil.example", "../us", "https://evil.example",
        "169.254.169.254", "[::1]", "us#", "us\0", "\u0430u", "us\n", "cronofy.com", "us/de",
    ],
)  # fmt: skip
def test_a_data_center_is_one_of_six_words(data_center: str) -> None:
    """It comes from a file and stands in a row: no address can be made of it."""
    with pytest.raises(SettingsError, match="Unknown data center") as caught:
        base_url(data_center, None)
    assert "\n" not in str(caught.value)


def test_an_unknown_data_center_is_named_with_the_six() -> None:
    """A typo is answered with what would be right."""
    with pytest.raises(SettingsError, match=r"'eu'.*us, au, ca, de, sg, uk"):
        base_url("eu", None)


def test_an_unknown_data_center_is_refused_with_an_override_too() -> None:
    """A bad row shows in a rehearsal already."""
    with pytest.raises(SettingsError):
        base_url("eu", "http://127.0.0.1:8700")


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("http://127.0.0.1:8700", "http://127.0.0.1:8700"),
        ("https://proxy.example/cronofy/", "https://proxy.example/cronofy"),
        (" http://[::1]:8700 ", "http://[::1]:8700"),
    ],
)
def test_the_operator_may_name_another_address(override: str, expected: str) -> None:
    """The simulator and a proxy are reached by CALPATCH_API_URL."""
    assert base_url("us", override) == expected


@pytest.mark.parametrize(
    "override",
    [
        "",
        "127.0.0.1:8700",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "http://",
        "http://user:hunter2@127.0.0.1",
        "http://user@127.0.0.1",
        "http://127.0.0.1/?a=1",
        "http://127.0.0.1/#part",
        "http://127.0.0.1:99999",
        "http://a\\@b",
    ],
)
def test_an_unusable_override_is_refused_without_being_shown(override: str) -> None:
    """The address may hold a password, so only its setting's name is told."""
    with pytest.raises(SettingsError, match="CALPATCH_API_URL") as caught:
        base_url("us", override)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("https://api.cronofy.com/v1/events/pages/x", True),
        ("https://api.cronofy.com:443/v1/events/pages/x", True),
        ("HTTPS://API.CRONOFY.COM/v1", True),
        ("http://api.cronofy.com/v1", False),
        ("https://api.cronofy.com:8443/v1", False),
        ("https://api-de.cronofy.com/v1", False),
        ("https://api.cronofy.com.evil.example/v1", False),
        ("https://api.cronofy.com@evil.example/v1", False),
        ("https://user@api.cronofy.com/v1", False),
        ("//evil.example/v1", False),
        ("/v1/events/pages/x", False),
        ("https://169.254.169.254/latest", False),
        ("https://[::1]/v1", False),
        ("https://0x7f.1/v1", False),
        ("https://localhost/v1", False),
        ("https://api.cronofy.com./v1", False),
        ("https://api.cronofy.com%2eevil.example/v1", False),
        ("https://evil.example#@api.cronofy.com/v1", False),
        ("https://evil.example?@api.cronofy.com/v1", False),
        ("https:///api.cronofy.com/v1", False),
        ("file:///etc/passwd", False),
        ("gopher://api.cronofy.com:443/v1", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(link: str, expected: bool) -> None:
    """A link that differs in any of them leads away from home."""
    assert same_origin(URL(link, encoded=True), DATA_CENTERS["us"]) is expected
