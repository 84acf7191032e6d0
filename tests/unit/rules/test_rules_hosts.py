"""Which addresses are of this network only, however they are written."""

from __future__ import annotations

import pytest

from worker.rules import is_private


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0",
        "100.64.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.88.99.1",
        "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1",
    ],
)  # fmt: skip
def test_an_address_of_this_network_is_private(host: str) -> None:
    """Also in the coats of IPv6, by which translators would lead to it (SSRF)."""
    assert is_private(host)


@pytest.mark.parametrize(
    "host",
    ["93.184.215.14", "2606:2800:21f:cb07::1", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"],
)
def test_an_address_of_the_internet_is_not(host: str) -> None:
    """Or nobody could be told anything."""
    assert not is_private(host)


@pytest.mark.parametrize("host", ["", "localhost", "example.com", "127.1", "2130706433"])
def test_a_name_is_judged_when_it_has_been_resolved(host: str) -> None:
    """What reads like a number is a name as well: the resolver says where it leads."""
    assert not is_private(host)
