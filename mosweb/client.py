"""Who is asking: the address of the browser behind our own proxies."""

from ipaddress import IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str | None:
    """The address that the outermost of our own proxies saw; if there is none, or it saw none, that of the connection.

    What stands before that in X-Forwarded-For anybody can write. None on a unix socket without such a header.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    seen = forwarded[-settings.PROXIES] if 0 < settings.PROXIES <= len(forwarded) else ""
    return plain_address(seen) or plain_address(str(request.META.get("REMOTE_ADDR", "")))


def plain_address(text: str) -> str | None:
    """The address alone of what proxies write: 192.0.2.1:443, [2001:db8::1]:443, "[2001:db8::1]", fe80::1%eth0.

    None if it is none, as in `unknown`. An IPv4 address in IPv6's clothes is given as the IPv4 address.
    """
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return str((isinstance(found, IPv6Address) and found.ipv4_mapped) or found)
