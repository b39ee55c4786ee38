"""Hosts that are IP addresses, in whatever notation, and those that are loopback."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address


def address_of(host: str) -> Address | None:
    """The address that a host is; None for a name. An IPv4 address that is mapped into IPv6 is that
    address (RFC 4291, section 2.5.5.2), since it reaches the same socket.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_loopback(host: str) -> bool:
    """Whether a host is `localhost` (RFC 6761, section 6.3), in 127.0.0.0/8, or `::1`. A name is
    one only if what it resolves to is one, too.
    """
    address = address_of(host)
    return host == "localhost" if address is None else address.is_loopback
