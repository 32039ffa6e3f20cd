"""What has to be said about a run beside what happened in it: how far it came, whom nobody listens to, what was
doubled. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from local.demo.inputs import Inputs, counted
from local.demo.options import Options
from local.demo.store import Story


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a run came into its files: `until` of `of`, the time of the last line."""

    until: datetime
    of: datetime
    posts_not_reached: int

    @classmethod
    def at(cls, inputs: Inputs, now: datetime) -> "Reach":
        """Where a run stands that ended at this time of the venue."""
        last = inputs.last_at
        left = {post.edit_history[0] for post in inputs.posts if post.created_at > now}
        return cls(min(now, last), last, len(left))


def reach_lines(reach: Reach) -> Iterator[str]:
    """Says where a run was cut; nothing where it came to the end of its files."""
    if reach.until >= reach.of:
        return
    form = "%H:%M" if reach.until.date() == reach.of.date() else "%Y-%m-%d %H:%M"
    if f"{reach.until:{form}}" == f"{reach.of:{form}}":
        form += ":%S"
    yield (
        "This machine was too slow for this time line, or the files are too long: reached "
        f"{reach.until:{form}} of {reach.of:{form}} UTC; {counted(reach.posts_not_reached, 'post')} not reached"
    )


def doubled_lines(inputs: Inputs, options: Options, story: Story) -> Iterator[str]:
    """What was served or delivered more than once on purpose, and what came of it."""
    if options.posts_twice:
        served = len({post.edit_history[0] for post in inputs.posts})
        yield f"--posts-twice: {counted(served, 'post')} served 2x, {len(story.posts)} stored"
    if options.deliver_twice:
        yield "--deliver-twice: every message delivered 2x; the counts above are of what came of it"
