"""How prices move in a simulation: calm, trends, gaps and crashes, by market, drawn from a seed. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from random import Random

# mark at the start, and decimals of what is quoted
MARKETS: Mapping[str, tuple[Decimal, int]] = {
    "BTC": (Decimal(60000), 0),
    "ETH": (Decimal(3000), 1),
    "SOL": (Decimal(150), 2),
    "AVAX": (Decimal(28), 3),
}
STEP_S = 5
_CALM = 0.0004  # of the price, the most that one step of a calm market moves it


@dataclass(frozen=True, slots=True)
class Path:
    """The marks of one market, one each STEP_S seconds from the start."""

    market: str
    marks: tuple[Decimal, ...]

    def at(self, second: float) -> Decimal:
        """The mark that stands at a second of the run."""
        return self.marks[min(max(0, int(second // STEP_S)), len(self.marks) - 1)]


def draw_path(market: str, random: Random, *, busy_s: int, lasting_s: int) -> Path:
    """A market that moves for `busy_s` seconds, and is calm from then on."""
    start, decimals = MARKETS[market]
    step = Decimal(1).scaleb(-decimals)
    price = float(start)
    marks = [start]
    moves = _moves(random)
    for number in range(lasting_s // STEP_S):
        move = next(moves) if number * STEP_S < busy_s else random.uniform(-_CALM, _CALM)
        price = min(max(price * (1 + move), float(start) / 3), float(start) * 3)
        marks.append(max(Decimal(price).quantize(step), step))
    return Path(market, tuple(marks))


def _moves(random: Random) -> Iterator[float]:
    """Fractions by which one step after another moves the price, without end."""
    while True:
        kind = random.choices(("calm", "trend", "gap", "spike", "crash"), (40, 35, 12, 10, 3))[0]
        sign = random.choice((-1, 1))
        match kind:
            case "calm":
                for _ in range(random.randrange(6, 25)):
                    yield random.uniform(-_CALM, _CALM)
            case "trend":
                for _ in range(random.randrange(8, 30)):
                    yield sign * random.uniform(0, 0.004) + random.uniform(-_CALM, _CALM)
            case "gap":
                yield sign * random.uniform(0.01, 0.05)
            case "spike":
                there = sign * random.uniform(0.01, 0.04)
                yield there
                yield 1 / (1 + there) - 1
            case _:
                yield sign * random.uniform(0.12, 0.25)
