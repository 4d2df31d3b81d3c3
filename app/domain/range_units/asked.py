"""What a reply was asked for, beside what it is about."""

from collections.abc import Collection

from app.domain.errors import Fault
from app.domain.range_units.errors import PayloadRejected
from app.domain.range_units.revisions import Market, Reading


def only_asked(reading: Reading, asked: Collection[Market] | None) -> Reading:
    """Leave what was asked for; None: all that there are.

    A market that nobody asked for is rejected, as a mix-up at the exchange, or on the way, is
    likelier than a present. So is one that was asked for and is not answered. Raises
    `PayloadRejected` where nothing is left.
    """
    if asked is None:
        return reading
    observations = tuple(one for one in reading.observations if one.market in asked)
    ticks = tuple(one for one in reading.ticks if one.market in asked)
    answered = [
        *(one.market for one in reading.observations),
        *(one.market for one in reading.ticks),
    ]
    told = {str(market) for market in answered} | {fault.about for fault in reading.rejections}
    rejections = (
        *reading.rejections,
        *(_about(one, "was not asked for") for one in answered if one not in asked),
        *(_about(one, "was asked for, and has no answer") for one in asked if str(one) not in told),
    )
    if not observations and not ticks:
        detail = "The reply says nothing that can be read about a market that was asked for."
        raise PayloadRejected(detail, faults=rejections)
    return Reading(observations, rejections, ticks)


def _about(market: Market, message: str) -> Fault:
    return Fault("", message, about=str(market))
