"""What is asked of range units: of which market, as of when."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request

from app.adapters.http.schemas import Instant, Sent
from app.domain.range_units.revisions import Market, market_of
from app.services.range_units.price_service import PriceService
from app.services.range_units.range_units_service import RangeUnitsService


@dataclass(frozen=True, slots=True)
class RangeUnitsServices:
    """What these routes call."""

    range_units: RangeUnitsService
    prices: PriceService


def _services(request: Request) -> RangeUnitsServices:
    services: RangeUnitsServices = request.app.state.range_units
    return services


def _market(
    exchange: Annotated[str, Path(examples=["upbit"])],
    quote: Annotated[str, Path(examples=["KRW"])],
    target: Annotated[str, Path(examples=["BTC"], description="`*`: the whole quote currency.")],
) -> Market:
    return market_of(exchange, quote, target)


Services = Annotated[RangeUnitsServices, Depends(_services)]
OfMarket = Annotated[Market, Depends(_market)]


class AsOf(Sent):
    """At which instant (default: now)."""

    as_of: Instant | None = None


MARKET_PATH = "/v1/exchanges/{exchange}/markets/{quote}/{target}"
