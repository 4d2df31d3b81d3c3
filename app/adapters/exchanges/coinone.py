"""Range units as Coinone publishes them: `GET /public/v2/range_units/{quote}/{target}`.

The HTTP status says nothing there: errors come with 200 and `result: "error"`, an unknown path
with 200 and HTML, an unknown quote currency with `result: "success"` and no bands. Nor does the
reply name its market; that is known only from the request.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from app.adapters.exchanges.literal_json import UnreadableJson, parse
from app.adapters.exchanges.refusal import described, printable, rejected
from app.domain.errors import Fault
from app.domain.range_units.errors import InvalidTable
from app.domain.range_units.revisions import WHOLE_QUOTE, Market, Observation
from app.domain.range_units.table import RangeUnitTable, Row, table_of
from app.ports.range_units.formats import PayloadFormat

_BANDS = "range_price_units"
_BAND = ("range_min", "next_range_min", "price_unit")


class CoinoneFormat(PayloadFormat):
    """One reply, one market. Where the last band ends is the top, and itself no price."""

    def read(
        self, *, payload: bytes, market: Market, observed_at: datetime, source: str
    ) -> list[Observation]:
        """Read a reply; what it says is in force from the moment it was observed."""
        try:
            _refuse_ladders(market)
            table = _table(_rows(_bands(payload)))
        except _Refused as refused:
            detail = f"The reply about {market} {refused}."
            raise rejected(detail, refused.faults, about=str(market)) from refused
        return [Observation(market, table, effective_from=observed_at, source=source)]


class _Refused(Exception):
    """What is wrong with a reply, whichever market it is about; completes "the reply …"."""

    def __init__(self, reason: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(reason)
        self.faults = faults or [Fault("", f"the reply {reason}")]


def _refuse_ladders(market: Market) -> None:
    if market.target == WHOLE_QUOTE:
        raise _Refused("is about one market, and cannot speak for a whole quote currency")


def _bands(payload: bytes) -> list[object]:
    """Open the envelope. Fields that Coinone may add to it are none of our business."""
    try:
        reply = parse(payload)
    except UnreadableJson as error:
        raise _Refused(str(error)) from error
    if not isinstance(reply, dict):
        raise _Refused(f"is {described(reply)}, not an object")
    if reply.get("result") == "error":
        raise _Refused(f"is an error: {_error(reply)}")
    bands = reply.get(_BANDS)
    faults: list[Fault] = []
    if reply.get("result") != "success":
        faults.append(_wrong(reply, "result", '"success"'))
    if reply.get("error_code", "0") != "0":
        faults.append(_wrong(reply, "error_code", '"0"'))
    if not isinstance(bands, list):
        faults.append(_wrong(reply, _BANDS, "a list"))
    if faults or not isinstance(bands, list):
        raise _Refused("is not shaped like range units", faults)
    if not bands:
        fault = Fault(_BANDS, "is empty, which is the answer about an unknown quote currency")
        raise _Refused("has no bands", [fault])
    return bands


def _error(reply: dict[str, object]) -> str:
    words = (reply.get("error_code"), reply.get("error_msg"))
    said = [printable(word) for word in words if isinstance(word, str)]
    return ", ".join(said) or "it does not say which"


def _rows(bands: list[object]) -> list[Row]:
    """Read every band, or none: a gap beside a band that cannot be read is no finding."""
    faults: list[Fault] = []
    rows = []
    for place, band in enumerate(bands):
        match band:
            case {
                "range_min": Decimal() as start,
                "next_range_min": Decimal() as end,
                "price_unit": Decimal() as unit,
                **others,
            } if not others:
                rows.append(Row(start, unit, end))
            case _:
                faults += _faults_of_band(band, f"{_BANDS}[{place}]")
    if faults:
        raise _Refused("has bands that cannot be read", faults)
    return rows


def _faults_of_band(band: object, path: str) -> Iterator[Fault]:
    if not isinstance(band, dict):
        yield Fault(path, f"is {described(band)}, not an object")
        return
    for name in _BAND:
        if not isinstance(band.get(name), Decimal):
            yield _wrong(band, name, "a number", path=f"{path}.")
    # Unlike a field beside the bands, an unknown one in a band may change what the band means.
    for name in sorted(band.keys() - set(_BAND)):
        yield Fault(f"{path}.{printable(name)}", "is no field of a band")


def _wrong(found: dict[str, object], name: str, wanted: str, *, path: str = "") -> Fault:
    message = f"is {described(found[name])}, not {wanted}" if name in found else "is missing"
    return Fault(f"{path}{name}", message)


def _table(rows: list[Row]) -> RangeUnitTable:
    faults = [
        Fault(f"{_BANDS}[{place}].range_min", "is negative, which no price at Coinone is")
        for place, row in enumerate(rows)
        if row.range_min < 0
    ]
    try:
        table = table_of(rows, path=_BANDS)
    except InvalidTable as error:
        faults += error.faults
    if faults:
        raise _Refused("does not make a range-unit table", faults)
    return table
