"""Answers about prices, written as their models would be, without making one of each price.

Numbers, reasons and instants need no escapes. The members and their order are those of
`PriceAnswered`, `PricesChecked` and `PricesRounded`, which stay what is documented.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID

from app.domain.range_units.grid import Reason
from app.domain.range_units.numbers import plain
from app.domain.range_units.table import Row
from app.domain.range_units.written import Checked, RoundedPrices
from app.services.range_units.range_units_service import RangeUnits

_REMEMBERED: Final = 1024
_SECOND: Final = timedelta(seconds=1)
_OF_NEW_ORDERS: Final = ',"grandfathered":null'
_NO_BAND: Final = '"price_unit":null,"range_min":null,"next_range_min":null'
_WHY: Final[dict[Reason | None, str]] = {
    None: '"changed":false,"reason":null',
    **{reason: f'"changed":true,"reason":"{reason}"' for reason in Reason},
}


def price_answered(units: RangeUnits, facts: Checked) -> str:
    """Write `PriceAnswered`."""
    [members] = _facts([facts])
    return f"{{{_by(units)},{members}{_OF_NEW_ORDERS}}}"


def prices_checked(units: RangeUnits, facts: Sequence[Checked]) -> str:
    """Write `PricesChecked`."""
    results = ",".join([f"{{{members}{_OF_NEW_ORDERS}}}" for members in _facts(facts)])
    return f'{{{_by(units)},"results":[{results}]}}'


def prices_rounded(units: RangeUnits, found: RoundedPrices) -> str:
    """Write `PricesRounded`, with the facts where there are any."""
    results = [
        f'"price":"{price}","rounded":"{near}",{_WHY[reason]}'
        if near is not None
        else f'"price":"{price}","rounded":null,{_WHY[reason]}'
        for price, near, reason in zip(found.prices, found.rounded, found.reasons, strict=True)
    ]
    if found.facts is not None:
        both = zip(results, _facts(found.facts), strict=True)
        results = [f'{result},"facts":{{{members}}}' for result, members in both]
    written = "},{".join(results)
    return f'{{{_by(units)},"results":[{{{written}}}]}}'


def _by(units: RangeUnits) -> str:
    """Give the members of `ByRevision`."""
    revision = units.revision
    return f'{_revision(revision.id, revision.effective_from)},"age_seconds":{units.age // _SECOND}'


@lru_cache(_REMEMBERED)  # bots ask about the same few all day
def _revision(revision_id: UUID, start: datetime | None) -> str:
    since = None if start is None else start.isoformat().replace("+00:00", "Z")
    return f'"revision_id":"{revision_id}","effective_from":{_quoted(since)}'


def _facts(facts: Iterable[Checked]) -> Iterator[str]:
    """Give the members of `PriceFacts`."""
    bands: dict[Row | None, str] = {None: _NO_BAND}
    for each in facts:
        price, reason, floor, ceil, down, up, band = each
        if band is not None and band not in bands:
            bands[band] = _band(band)
        yield (
            f'"price":"{price}","valid":{"true" if each.valid else "false"},'
            f'"reason":{_quoted(reason)},"floor":{_quoted(floor)},"ceil":{_quoted(ceil)},'
            f'"next_down":{_quoted(down)},"next_up":{_quoted(up)},{bands[band]}'
        )


def _band(band: Row) -> str:
    end = band.next_range_min
    return (
        f'"price_unit":"{plain(band.price_unit)}","range_min":"{plain(band.range_min)}",'
        f'"next_range_min":{_quoted(None if end is None else plain(end))}'
    )


def _quoted(text: str | None) -> str:
    return "null" if text is None else f'"{text}"'
