"""What each admitted action does, one function a type.

Promises: gets the canonical action, the account it acts on and who signed; returns the /exchange answer or
raises `Refused` with the venue's text. Never checks signatures, nonces or limits: `exchange` has.
Sources: Hyperliquid docs, exchange-endpoint; recorded testnet answers.
"""

import hashlib
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from local.hyperliquid import answers, cancelling
from local.hyperliquid.accounts import Account
from local.hyperliquid.answers import BadRequest, Json, Refused, done, err, statuses
from local.hyperliquid.decimals import MICRO, ZERO, wire
from local.hyperliquid.leverage import update_isolated_margin, update_leverage
from local.hyperliquid.limits import batch_length
from local.hyperliquid.margin import withdrawable
from local.hyperliquid.placement import place_batch
from local.hyperliquid.state import Venue
from local.hyperliquid.validation import WEIGHT_LIMIT, Invalid, check_batch

_SCHEDULE_VOLUME, _SUB_ACCOUNT_VOLUME = 1_000_000, 100_000
_SCHEDULE_LEAD_MS, _SCHEDULES_A_DAY, _DAY_MS = 5_000, 10, 86_400_000
_MAX_BUILDER_RATE = Decimal("0.1")
_MAX_BUILDERS = 10
_WITHDRAW_FEE = Decimal(1)
Handler = Callable[[Venue, Account, Json], Json]


def _invalid(venue: Venue, fault: Invalid) -> Json:
    if venue.config.switches.prevalidation_shape == "err":
        return err(fault.text)
    return statuses("order", [{"error": fault.text}])


def _order(venue: Venue, account: Account, action: Json) -> Json:
    builder = action.get("builder")
    try:
        check_batch(venue, action["orders"], action["grouping"])
    except Invalid as fault:
        return _invalid(venue, fault)
    if builder is not None:
        allowed = _builder_tenths_bp(account.builders.get(builder["b"], "0%"))
        if builder["f"] > allowed:
            raise Refused(answers.BUILDER_UNAPPROVED)
    return statuses("order", list(place_batch(venue, account, action["orders"], action["grouping"], builder)))


def _cancel(venue: Venue, account: Account, action: Json) -> Json:
    return statuses("cancel", list(cancelling.cancel(venue, account, action["cancels"])))


def _cancel_by_cloid(venue: Venue, account: Account, action: Json) -> Json:
    return statuses("cancel", list(cancelling.cancel_by_cloid(venue, account, action["cancels"])))


def _modify(venue: Venue, account: Account, action: Json) -> Json:
    try:
        check_batch(venue, [action["order"]], "na")
    except Invalid as fault:
        return err(fault.text)
    status = cancelling.modify(venue, account, action)
    if isinstance(status, dict) and "error" in status:
        return err(str(status["error"]))
    return done()


def _batch_modify(venue: Venue, account: Account, action: Json) -> Json:
    try:
        check_batch(venue, [row["order"] for row in action["modifies"]], "na")
    except Invalid as fault:
        return _invalid(venue, fault)
    return statuses("order", [cancelling.modify(venue, account, row) for row in action["modifies"]])


def _update_leverage(venue: Venue, account: Account, action: Json) -> Json:
    update_leverage(
        venue, account, asset=action["asset"], is_cross=action["isCross"], value=action["leverage"]
    )
    return done()


def _update_isolated_margin(venue: Venue, account: Account, action: Json) -> Json:
    update_isolated_margin(venue, account, asset=action["asset"], micro_usd=action["ntli"])
    return done()


def _schedule_cancel(venue: Venue, account: Account, action: Json) -> Json:
    if account.volume_usd < _SCHEDULE_VOLUME:
        what = "set scheduled cancel time"
        raise Refused(answers.volume_gate(what, _SCHEDULE_VOLUME, account.volume_usd))
    at_ms = action.get("time")
    if at_ms is not None:
        day, count = account.cancels_on
        if at_ms < venue.now_ms + _SCHEDULE_LEAD_MS:
            raise Refused(answers.SCHEDULE_TOO_SOON)
        if day == venue.now_ms // _DAY_MS and count >= _SCHEDULES_A_DAY:
            raise Refused(answers.SCHEDULE_TOO_MANY)
    account.cancel_at_ms = at_ms
    return done()


def _noop(venue: Venue, account: Account, action: Json) -> Json:
    return done()


def _approve_agent(venue: Venue, account: Account, action: Json) -> Json:
    address = action["agentAddress"]
    venue.agents.approve(
        account.address,
        address,
        action.get("agentName", ""),
        venue.now_ms,
        volume=account.volume_usd,
        sub_accounts=len(account.sub_names),
        taken=address in venue.accounts,
    )
    return done()


def _builder_tenths_bp(rate: str) -> Decimal:
    return Decimal(rate.removesuffix("%")) * 1000


def _approve_builder_fee(venue: Venue, account: Account, action: Json) -> Json:
    rate = action["maxFeeRate"]
    try:
        percent = Decimal(rate.removesuffix("%"))
    except InvalidOperation as fault:
        raise BadRequest.schema() from fault
    if not rate.endswith("%") or not 0 <= percent <= _MAX_BUILDER_RATE:
        raise Refused("Builder fee rate is too high.")
    if action["builder"] not in account.builders and len(account.builders) >= _MAX_BUILDERS:
        raise Refused("Too many approved builders.")
    account.builders[action["builder"]] = rate
    return done()


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation as fault:
        raise BadRequest.schema() from fault
    if not amount.is_finite() or amount <= 0:
        raise BadRequest.schema()
    return amount


def move_cash(venue: Venue, account: Account, usdc: Decimal, why: str) -> None:
    """Change the cash of an account from outside trading, with its record."""
    account.usdc += usdc
    account.ledger.append({"time": venue.now_ms, "delta": {"type": why, "usdc": wire(usdc)}})
    venue.note("cash", user=account.address, usdc=wire(usdc), why=why)


def _class_transfer(venue: Venue, account: Account, action: Json) -> Json:
    if account.abstraction != "default":
        raise Refused(answers.UNIFIED)
    amount, to_perp = _amount(action["amount"].split(" ")[0]), action["toPerp"]
    available = account.spot_usdc if to_perp else withdrawable(venue, account)
    if amount > available:
        raise Refused(answers.INSUFFICIENT_TRANSFER)
    account.spot_usdc += -amount if to_perp else amount
    move_cash(venue, account, amount if to_perp else -amount, "accountClassTransfer")
    return done()


def _usd_send(venue: Venue, account: Account, action: Json) -> Json:
    if account.abstraction != "default":
        raise Refused(answers.UNIFIED)
    amount = _amount(action["amount"])
    if amount > withdrawable(venue, account):
        raise Refused(answers.INSUFFICIENT_TRANSFER)
    move_cash(venue, account, -amount, "send")
    move_cash(venue, venue.ensure_account(action["destination"]), amount, "send")
    return done()


def _withdraw(venue: Venue, account: Account, action: Json) -> Json:
    amount = _amount(action["amount"])
    if amount > withdrawable(venue, account) or amount <= _WITHDRAW_FEE:
        raise Refused(answers.INSUFFICIENT_BALANCE)
    move_cash(venue, account, -amount, "withdraw")
    return done()


def _vault_transfer(venue: Venue, account: Account, action: Json) -> Json:
    raise Refused(answers.vault_missing(action["vaultAddress"]))


def _create_sub_account(venue: Venue, account: Account, action: Json) -> Json:
    if account.volume_usd < _SUB_ACCOUNT_VOLUME:
        raise Refused(answers.volume_gate("create sub-accounts", _SUB_ACCOUNT_VOLUME, account.volume_usd))
    seed = f"{account.address}:{len(account.sub_names)}"
    address = "0x" + hashlib.sha256(seed.encode()).hexdigest()[:40]
    venue.ensure_account(address).master = account.address
    account.sub_names[address] = action["name"]
    return {"status": "ok", "response": {"type": "createSubAccount", "data": address}}


def _sub_account_transfer(venue: Venue, account: Account, action: Json) -> Json:
    sub = venue.account(action["subAccountUser"])
    if account.abstraction != "default":
        raise Refused(answers.UNIFIED)
    if sub is None or sub.master != account.address:
        raise Refused(answers.vault_missing(action["subAccountUser"]))
    source, target = (account, sub) if action["isDeposit"] else (sub, account)
    amount = action["usd"] * MICRO
    if amount > withdrawable(venue, source):
        raise Refused(answers.INSUFFICIENT_TRANSFER)
    move_cash(venue, source, ZERO - amount, "subAccountTransfer")
    move_cash(venue, target, amount, "subAccountTransfer")
    return done()


HANDLERS: dict[str, Handler] = {
    "order": _order,
    "cancel": _cancel,
    "cancelByCloid": _cancel_by_cloid,
    "modify": _modify,
    "batchModify": _batch_modify,
    "updateLeverage": _update_leverage,
    "updateIsolatedMargin": _update_isolated_margin,
    "scheduleCancel": _schedule_cancel,
    "noop": _noop,
    "approveAgent": _approve_agent,
    "approveBuilderFee": _approve_builder_fee,
    "usdClassTransfer": _class_transfer,
    "usdSend": _usd_send,
    "withdraw3": _withdraw,
    "vaultTransfer": _vault_transfer,
    "createSubAccount": _create_sub_account,
    "subAccountTransfer": _sub_account_transfer,
}


def perform(venue: Venue, account: Account, action: Json) -> Json:
    """Carry out one admitted action. Raises `Refused`; `BadRequest` for a type that is not served here."""
    handler = HANDLERS.get(action["type"])
    if handler is None:
        raise BadRequest.schema()
    if batch_length(action) > WEIGHT_LIMIT:
        raise Refused(answers.OVER_WEIGHT)
    return handler(venue, account, action)
