"""Addresses that only this machine or this network has: where no stranger's wish may lead us."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

#: What stands for an IPv4 address in networks that translate (RFC 6052, 8215).
_TRANSLATED: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
#: The nearest relay of 6to4, whoever that is (RFC 7526).
_RELAYS: Final = IPv4Network("192.88.99.0/24")


def is_private(host: str) -> bool:
    """Tell of an address that it is not one of the public Internet; of a name, False.

    An IPv6 address that stands for an IPv4 one is what that one is.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        inner = _inner(address)
        if inner is not None:
            return is_private(str(inner))
    elif address in _RELAYS:
        return True
    return address.is_multicast or not address.is_global


def _inner(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that packets to this one end up at; None when it is its own."""
    if any(address in network for network in _TRANSLATED):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
