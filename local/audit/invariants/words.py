"""How violations name times and places. Pure."""

from datetime import timedelta

from local.audit.model import Place
from outcry.runtime.clock import from_milliseconds


def when(time_ms: int) -> str:
    """A Unix time in milliseconds as the time of its day, to the millisecond."""
    at = from_milliseconds(0) + timedelta(milliseconds=time_ms)
    return f"{at:%H:%M:%S}.{time_ms % 1000:03d}"


def where(place: Place) -> str:
    """A place as its market and the beginning of its account's address."""
    return f"{place[1]} of {place[0][:10]}"
