"""The desk as a file: read, checked as a whole, and handed on as plain values.

Promises: what `parse_desk` returns is complete and consistent; otherwise it raises DeskError with everything
that is to be mended, each with line, field, value and fix. Nothing is guessed and nothing is half accepted.
Holds no secrets.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from outcry.agents.desk_checks import check_accounts, check_agents, check_authors, check_deployments
from outcry.agents.desk_file import (
    AccountFile,
    AgentFile,
    AuthorFile,
    DeploymentFile,
    LimitsFile,
    StrategyFile,
)
from outcry.agents.desk_problem import DeskError, Path
from outcry.agents.desk_text import DeskText, read_text
from outcry.agents.model import (
    Account,
    Agent,
    Author,
    Deployment,
    Desk,
    ExitRules,
    Follow,
    Limits,
    Sizing,
    Strategy,
    TakeProfitStep,
    Trailing,
)

__all__ = ["SECTIONS", "Desk", "DeskError", "parse_desk"]

SECTIONS = ("authors", "agents", "accounts", "deployments")


def parse_desk(text: str, source_name: str) -> Desk:
    """Read a desk file. `source_name` is what messages call it. Raises DeskError with every problem found."""
    read = read_text(text, source_name)
    content = read.content
    if not isinstance(content, dict):
        read.problem((), None, f"write the four lists: {', '.join(SECTIONS)}")
        raise DeskError(read.problems)
    for name in content:
        if name not in SECTIONS:
            read.problem(
                (name,),
                "not known",
                f"remove it, or correct its spelling: the parts are {', '.join(SECTIONS)}",
            )
    authors = _items(read, content, "authors", AuthorFile)
    agents = _items(read, content, "agents", AgentFile)
    accounts = _items(read, content, "accounts", AccountFile)
    deployments = _items(read, content, "deployments", DeploymentFile)
    check_authors(authors, read.problem)
    check_agents(
        agents,
        {name.removeprefix("@").lower() for name in _named(content, "authors", "username")},
        read.problem,
    )
    check_accounts(accounts, read.problem)
    check_deployments(
        deployments, _named(content, "agents", "id"), _named(content, "accounts", "id"), read.problem
    )
    if read.problems:
        raise DeskError(read.problems)
    return _desk(
        source_name,
        list(authors.values()),
        list(agents.values()),
        list(accounts.values()),
        list(deployments.values()),
    )


def _items[Part: (AuthorFile, AgentFile, AccountFile, DeploymentFile)](
    read: DeskText, content: Mapping[str, Any], section: str, part: type[Part]
) -> dict[int, Part]:
    """The entries of a section that read well on their own, by their place in the file."""
    entries = content.get(section)
    if not isinstance(entries, list) or not entries:
        read.problem((section,), None, "write a list with at least one entry")
        return {}
    good: dict[int, Part] = {}
    for index, entry in enumerate(entries):
        try:
            good[index] = part.model_validate(entry)
        except ValidationError as error:
            _report(read, (section, index), error)
    return good


def _report(read: DeskText, path: Path, error: ValidationError) -> None:
    detail: ErrorDetails
    for detail in error.errors():
        value = None if detail["type"] == "missing" else _shown(detail["input"])
        read.problem((*path, *detail["loc"]), value, _fix(detail))


def _named(content: Mapping[str, Any], section: str, key: str) -> set[str]:
    """Every name that a section gives, also of entries with other faults."""
    entries = content.get(section)
    named = (
        (entry.get(key) for entry in entries if isinstance(entry, dict)) if isinstance(entries, list) else ()
    )
    return {name for name in named if isinstance(name, str)}


def _shown(value: object) -> str:
    text = (
        f"a list of {len(value)}"
        if isinstance(value, list)
        else "a group"
        if isinstance(value, dict)
        else repr(value)
    )
    return text if len(text) <= 60 else text[:59] + "…"


def _bound(detail: ErrorDetails) -> str:
    """The bound that was passed, as people write it: of a fraction in per cent; empty where no bound was."""
    context = detail.get("ctx", {})
    given = next((str(context[name]) for name in ("gt", "ge", "lt", "le") if name in context), "")
    bound = re.sub(r"Decimal\('(.*)'\)", r"\1", given)
    if bound and detail["loc"] and str(detail["loc"][-1]).endswith(("_frac", "share")):
        return f"{(Decimal(bound) * 100).normalize():f}%"
    return bound


def _fix(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    bound = _bound(detail)
    fixes = {
        "missing": "add it",
        "extra_forbidden": "remove it, or correct its spelling: there is no such field here",
        "greater_than": f"write more than {bound}",
        "greater_than_equal": f"write at least {bound}",
        "less_than": f"write less than {bound}",
        "less_than_equal": f"write at most {bound}",
        "literal_error": f"write {context.get('expected')}",
        "enum": f"write {context.get('expected')}",
        "value_error": str(context.get("error")),
        "bool_type": "write true or false",
        "bool_parsing": "write true or false",
        "list_type": "write a list, one entry per line, each beginning with a dash",
        "model_type": "write the fields of this part, one per line",
        "too_short": f"write at least {context.get('min_length')}",
    }
    return fixes.get(detail["type"]) or detail["msg"]


# ─── as the stages use it ───────────────────────────────────────────────────────────────────────────────────


def _desk(
    source: str,
    authors: list[AuthorFile],
    agents: list[AgentFile],
    accounts: list[AccountFile],
    deployments: list[DeploymentFile],
) -> Desk:
    ids = {author.username.lower(): author.author_id for author in authors}
    agents_by_id = {
        agent.id: Agent(agent.id, agent.name, _strategy(agent.strategy), agent.active) for agent in agents
    }
    accounts_by_id = {account.id: _account(account) for account in accounts}
    return Desk(
        source=source,
        authors=tuple(Author(author.author_id, author.username) for author in authors),
        agents=tuple(agents_by_id.values()),
        follows=tuple(
            Follow(agent.id, ids[follow.author.lower()], follow.weight)
            for agent in agents
            for follow in agent.follows
        ),
        accounts=tuple(accounts_by_id.values()),
        deployments=tuple(
            Deployment(
                deployment_id=deployment.id,
                agent=agents_by_id[deployment.agent],
                account=accounts_by_id[deployment.account],
                state=deployment.state,
                limits=accounts_by_id[deployment.account].limits
                if deployment.limits is None
                else _limits(deployment.limits),
            )
            for deployment in deployments
        ),
    )


def _strategy(file: StrategyFile) -> Strategy:
    sizing, exits, trailing = file.sizing, file.exits, file.exits.trailing
    return Strategy(
        min_conviction=file.min_conviction,
        min_score=file.min_score,
        max_call_age=file.max_call_age,
        evidence_window=file.evidence_window,
        sides=frozenset(file.sides),
        venues=tuple(file.venues),
        sizing=Sizing(
            risk_frac=sizing.risk_frac,
            min_stop_frac=sizing.min_stop_frac,
            max_leverage=sizing.max_leverage,
            max_slippage_frac=sizing.max_slippage_frac,
            max_chase_frac=sizing.max_chase_frac,
        ),
        exits=ExitRules(
            stop_frac=exits.stop_frac,
            take_profits=tuple(TakeProfitStep(step.at_frac, step.share) for step in exits.take_profits),
            trailing=None
            if trailing is None
            else Trailing(trailing.activation_frac, trailing.distance_frac, trailing.step_frac),
            time_limit=exits.time_limit,
            liquidation_buffer_frac=exits.liquidation_buffer_frac,
            follow_close_calls=exits.follow_close_calls,
        ),
    )


def _account(file: AccountFile) -> Account:
    return Account(
        account_id=file.id,
        venue=file.venue,
        network=file.network,
        address=file.address or f"paper:{file.id}",
        paper_balance_usd=file.paper_balance_usd,
        foreign_policy=file.foreign_policy,
        limits=_limits(file.limits),
    )


def _limits(file: LimitsFile) -> Limits:
    return Limits(**file.model_dump())
