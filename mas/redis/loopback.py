"""Is a host this machine itself? Only then may a password reach it in the clear without anybody's leave."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Say whether a host, a name or an address, can be nobody but this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
