"""The enumerator's table and its failures, as lines. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence

from local.crash.cases import Again, Case, Kill
from local.crash.playing import Verdict

_HEAD = ("scenario", "things", "points", *Again, "runs", "failed")


def table(recorded: Sequence[Verdict], names: Sequence[str], played: Iterable[Verdict]) -> list[str]:
    """One line a scenario: what it does under test, how many deaths that makes, and the runs by redelivery."""
    runs: Counter[tuple[str, str]] = Counter()
    failed: Counter[str] = Counter()
    for verdict in played:
        if verdict.case is not None:
            runs[verdict.case.scenario, verdict.case.again] += 1
            failed[verdict.case.scenario] += bool(verdict.complaints)
    rows = [_HEAD]
    for name, verdict in zip(names, recorded, strict=True):
        by = [runs[name, again] for again in Again]
        points = sum(len(site.kills) for site in verdict.sites)
        rows.append((name, *(str(n) for n in (len(verdict.sites), points, *by, sum(by), failed[name]))))
    sums = [sum(int(row[column]) for row in rows[1:]) for column in range(1, len(_HEAD))]
    rows.append(("in all", *(str(n) for n in sums)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return ["  ".join(_cell(row, column, widths) for column in range(len(row))) for row in rows]


def _cell(row: Sequence[str], column: int, widths: Sequence[int]) -> str:
    return row[column].ljust(widths[column]) if column == 0 else row[column].rjust(widths[column])


def by_kill(played: Iterable[Verdict]) -> str:
    """How many runs died in which way."""
    counts = Counter(verdict.case.kill for verdict in played if verdict.case is not None)
    return ", ".join(f"{kill} {counts[kill]}" for kill in Kill)


def failure(case: Case | None, name: str, verdict: Verdict) -> list[str]:
    """A failed run in words, and how to play it again."""
    if case is None:
        return [f"{name}, undisturbed:", *(f"    {what}" for what in verdict.complaints)]
    at = verdict.sites[case.site - 1] if case.site <= len(verdict.sites) else None
    where = f" at {at.what} by {at.by}" if at else ""
    return [f"{case}{where}", *(f"    {what}" for what in verdict.complaints), f"    make crash CASE={case}"]
