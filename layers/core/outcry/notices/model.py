"""Notices: what a person should know, how urgently, and about what.

Pure data. A notice never decides anything, and losing one never changes what is traded.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Level(StrEnum):
    """How urgent: `info` may be read any time, `warning` today, `page` now."""

    INFO = "info"
    WARNING = "warning"
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell. `topic` groups notices for routing; `subject` fits a line; `text` is all there is to
    say.
    """

    notice_id: int
    level: Level
    topic: str
    subject: str
    text: str
    created_at: datetime
    trace_id: str | None
