"""What is to be done after one step of an order. Pure data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from outcry.orders.carry import Held
    from outcry.orders.model import Order


@dataclass(frozen=True, slots=True)
class Next:
    """Follow these orders now, in this invocation, then do the rest, and be rung again after `again_s` seconds.

    `again_s` None means that nothing waits: the order is done, or rests at the venue until something happens. `order`: this one goes
    on with its next step at once, and this is how the last one left it. `left`: it was given back already, in the write that left it
    like this; others are followed after that.
    """

    follow: tuple[UUID, ...] = ()
    then: "Callable[[Held], Next] | None" = None
    again_s: int | None = None
    order: "Order | None" = None
    left: "Order | None" = None


def done() -> Next:
    """Nothing is left to do for now."""
    return Next()


def again(seconds: int) -> Next:
    """Come back after so many seconds."""
    return Next(again_s=seconds)


def follow(*orders: UUID, then: "Callable[[Held], Next] | None" = None) -> Next:
    """Carry on with these orders at once, then with the rest of this step."""
    return Next(follow=orders, then=then)


def left(order: "Order", *orders: UUID) -> Next:
    """The order ended, or waits for the venue alone, and was given back as it was moved there; then carry on with these others."""
    return Next(follow=orders, left=order)


def go_on(order: "Order", then: "Callable[[Held], Next] | None" = None) -> Next:
    """Do the order's next step at once, or only `then` of it; `order` as the last one left it."""
    return Next(order=order, then=then)


def widening_s(times: int, *, first_s: int, most_s: int) -> int:
    """In how many seconds to try again what failed `times` times before in a row: twice as long each time, up to a limit."""
    return min(first_s << min(times, 20), most_s)
