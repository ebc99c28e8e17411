"""How many wrong passwords the staff's login takes: by name and address together, by address, and by name.

Raters have no passwords, so no lock ever reaches them, also where they share the address of who is locked out.
"""

import unicodedata
from collections.abc import Mapping
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_client_username
from axes.models import AccessAttempt, AccessLog
from django.db.models import Sum
from django.http import HttpRequest

from mosweb.client import client_address

# Failures within AXES_COOLOFF_TIME. By name alone many are allowed, for anybody can spend them; and a name is never
# locked where it has logged in before, so that strangers cannot keep the staff out.
BY_NAME_AND_ADDRESS, BY_ADDRESS, BY_NAME = 5, 20, 50
LONGEST_NAME = 255


def login_name(request: HttpRequest, credentials: Mapping[str, Any] | None) -> str:
    """The name under which failures are counted: Staff, STAFF and the full-width letters are staff."""
    name = (credentials or request.POST).get("username") or ""
    return unicodedata.normalize("NFKC", str(name)).casefold().strip()[:LONGEST_NAME]


def network(request: HttpRequest) -> str | None:
    """Whose failures are counted together: an IPv4 address, or the /64 of which a host may use any IPv6 address."""
    address = client_address(request)
    if address is None:
        return None
    found = ip_address(address)
    if isinstance(found, IPv6Address):
        return str(IPv6Network((found, 64), strict=False).network_address)
    return address


class Throttle(AxesDatabaseHandler):  # type: ignore[misc]  # comes without types
    """axes with a limit for each of the three. It locks when `get_failures` reaches AXES_FAILURE_LIMIT, which is 1."""

    def get_failures(self, request: Any, credentials: Mapping[str, Any] | None = None) -> int:
        name, address = get_client_username(request, credentials), request.axes_ip_address
        recent = AccessAttempt.objects.filter(attempt_time__gte=get_cool_off_threshold(request))

        def reached(limit: int, **by: str | None) -> bool:
            return (recent.filter(**by).aggregate(total=Sum("failures_since_start"))["total"] or 0) >= limit

        return int(
            reached(BY_NAME_AND_ADDRESS, username=name, ip_address=address)
            or reached(BY_ADDRESS, ip_address=address)
            or (
                reached(BY_NAME, username=name)
                and not AccessLog.objects.filter(username__iexact=name, ip_address=address).exists()
            )
        )
