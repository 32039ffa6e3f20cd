"""API wallets: who may sign for whom, until when, and how many.

Promises: one unnamed and three named agents per master (more with volume and sub-accounts); the same name
replaces at once; address zero removes and blocks approvals for five seconds; an address serves once in its
life. `cancel_orders_of(master, agent)` is called where a dropped agent takes its resting orders along.
Never checks signatures: the caller has recovered the master already.
Sources: Hyperliquid docs, nonces-and-api-wallets and exchange-endpoint; recorded testnet answers.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from local.hyperliquid import answers
from local.hyperliquid.answers import Refused
from local.hyperliquid.config import Switches
from local.hyperliquid.journal import Journal
from local.hyperliquid.nonces import NonceBook

_DAY_MS = 86_400_000
_DEFAULT_LIFE_MS = 90 * _DAY_MS
_LONGEST_LIFE_MS = 180 * _DAY_MS
_REMOVAL_MS = 5_000
_NAMED = 3
_PER_SUB_ACCOUNT = 2
_VOLUME_PER_SLOT = Decimal(100_000)
_NAME_LENGTH = 16
_SUFFIX = re.compile(r"^(?P<name>.*?) ?valid_until (?P<until>[0-9]+)$")
ZERO_ADDRESS = "0x" + "0" * 40


@dataclass(slots=True)
class Agent:
    address: str
    master: str
    name: str | None
    valid_until_ms: int


class AgentBook:
    def __init__(self, switches: Switches, journal: Journal, nonces: NonceBook) -> None:
        self.switches = switches
        self._journal = journal
        self._nonces = nonces
        self._live: dict[str, Agent] = {}
        self._ever: set[str] = set()
        self._removed_ms: dict[str, int] = {}
        self.cancel_orders_of: Callable[[str, str], object] = lambda master, agent: None

    def get(self, address: str) -> Agent | None:
        return self._live.get(address)

    def was_agent(self, address: str) -> bool:
        return address in self._ever

    def master_of(self, address: str, now_ms: int) -> str | None:
        """The master that a live agent signs for, or None. Expiry is enforced late, as observed."""
        agent = self._live.get(address)
        if agent is None:
            return None
        if now_ms > agent.valid_until_ms + self.switches.agent_expiry_lag_ms:
            self._drop(agent, "pruned", now_ms)
            return None
        return agent.master

    def of(self, master: str, now_ms: int) -> list[Agent]:
        """The named agents of a master that have not expired."""
        mine = [agent for agent in self._live.values() if agent.master == master and agent.name is not None]
        return [agent for agent in mine if agent.valid_until_ms > now_ms]

    def approve(
        self,
        master: str,
        address: str,
        full_name: str,
        now_ms: int,
        *,
        volume: Decimal = Decimal(0),
        sub_accounts: int = 0,
        taken: bool = False,
    ) -> None:
        """Approve, replace or remove, as `approveAgent` does. Raises `Refused` with the venue's text."""
        name, until = self._parse(full_name, now_ms)
        if now_ms - self._removed_ms.get(master, -_REMOVAL_MS) < _REMOVAL_MS:
            raise Refused(answers.AGENT_PENDING_REMOVAL)
        old = next((a for a in self._live.values() if a.master == master and a.name == name), None)
        if address == ZERO_ADDRESS:
            if old is None:
                raise Refused(answers.AGENT_UNKNOWN)
            self._drop(old, "removed", now_ms)
            self._removed_ms[master] = now_ms
            return
        if taken or address in self._ever:
            raise Refused(answers.AGENT_USED)
        limit = _NAMED + int(volume // _VOLUME_PER_SLOT) + _PER_SUB_ACCOUNT * sub_accounts
        if name is not None and old is None and len(self.of(master, now_ms)) >= limit:
            raise Refused(answers.too_many_agents(limit))
        if old is not None:
            self._drop(old, "replaced", now_ms)
        self._live[address] = Agent(address, master, name, until)
        self._ever.add(address)
        self._journal.write("agent", now_ms, master=master, agent=address, name=name, status="approved")

    def revoke(self, address: str, now_ms: int, status: str = "revoked", orders: str | None = None) -> bool:
        """End an agent; `orders` ("kept" or "cancelled") says what becomes of those that it signed."""
        agent = self._live.get(address)
        if agent is not None:
            self._drop(agent, status, now_ms, orders)
        return agent is not None

    def live(self) -> list[Agent]:
        """Every agent that has not been dropped, oldest first."""
        return list(self._live.values())

    def prune_master(self, master: str, now_ms: int) -> None:
        """A master without funds loses its agents."""
        for agent in [a for a in self._live.values() if a.master == master]:
            self._drop(agent, "pruned", now_ms)

    def expire(self, address: str, at_ms: int) -> None:
        """Set an agent's end, for tests of expiry."""
        self._live[address].valid_until_ms = at_ms

    def _drop(self, agent: Agent, status: str, now_ms: int, orders: str | None = None) -> None:
        del self._live[agent.address]
        self._nonces.forget(agent.address)
        self._journal.write(
            "agent", now_ms, master=agent.master, agent=agent.address, name=agent.name, status=status
        )
        if (orders or (self.switches.pruned_agent_orders if status == "pruned" else "kept")) == "cancelled":
            self.cancel_orders_of(agent.master, agent.address)

    @staticmethod
    def _parse(full_name: str, now_ms: int) -> tuple[str | None, int]:
        match = _SUFFIX.match(full_name)
        name = match["name"] if match else full_name
        until = int(match["until"]) if match else now_ms + _DEFAULT_LIFE_MS
        if len(name) > _NAME_LENGTH:
            raise Refused(answers.AGENT_NAME_LONG)
        if not now_ms < until <= now_ms + _LONGEST_LIFE_MS:
            raise Refused(answers.AGENT_EXPIRED)
        return name or None, until
