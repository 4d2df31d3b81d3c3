"""Where an order's price is to be rounded to."""

from enum import StrEnum

from app.domain.range_units.grid import Direction


class Side(StrEnum):
    """Of an order."""

    BUY = "buy"
    SELL = "sell"


class Intent(StrEnum):
    """Whether an order should rather rest in the book or rather be filled."""

    PASSIVE = "passive"
    AGGRESSIVE = "aggressive"


def direction_of(side: Side, intent: Intent) -> Direction:
    """A passive buy and an aggressive sell give way downwards, the other two upwards."""
    gives_way_down = (side is Side.BUY) == (intent is Intent.PASSIVE)
    return Direction.DOWN if gives_way_down else Direction.UP
