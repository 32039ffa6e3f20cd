"""X's request limits: so many per endpoint in fifteen minutes, told in the headers of every answer.

Figures: docs.x.com, "Rate limits" (app-only, self-serve). A window begins with its first request, on the
server's clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

WINDOW = timedelta(minutes=15)
LIMITS: Mapping[str, int] = {
    "/2/tweets/search/recent": 450,
    "/2/users/by": 300,
    "/2/users/by/username/:username": 300,
    "/2/users/:id": 300,
    "/2/users/:id/tweets": 10_000,
    "/2/lists/:id/tweets": 900,
}


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a window after a request."""

    limit: int
    remaining: int
    resets_at: datetime
    is_exceeded: bool

    def headers(self) -> dict[str, str]:
        """X's three headers; the reset is Unix time in whole seconds."""
        return {
            "x-rate-limit-limit": str(self.limit),
            "x-rate-limit-remaining": str(self.remaining),
            "x-rate-limit-reset": str(int(self.resets_at.timestamp())),
        }


class RateLimits:
    """Counts the requests of every endpoint. Not safe for threads: the server asks under its lock."""

    def __init__(self, limits: Mapping[str, int] = LIMITS) -> None:
        self._limits = {**LIMITS, **limits}
        self._windows: dict[str, tuple[datetime, int]] = {}

    def take(self, endpoint: str, now: datetime) -> Allowance:
        """Count one request; refused ones are not counted."""
        limit = self._limits[endpoint]
        began_at, used = self._windows.get(endpoint, (now, 0))
        if now >= began_at + WINDOW:
            began_at, used = now, 0
        is_exceeded = used >= limit
        if not is_exceeded:
            used += 1
        self._windows[endpoint] = (began_at, used)
        return Allowance(limit, limit - used, began_at + WINDOW, is_exceeded)
