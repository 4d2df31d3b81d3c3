"""How answers about range units and prices look. The documents are those of the HTTP API."""

import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal

from app.adapters.cli.output import (
    complain,
    print_json,
    print_line,
    print_table,
    rfc3339,
    shown,
    write_text,
)
from app.domain.range_units.changes import PlacedChange
from app.domain.range_units.errors import rejection
from app.domain.range_units.grid import PriceAnswer
from app.domain.range_units.lint import Finding, lint
from app.domain.range_units.numbers import plain
from app.domain.range_units.timeline import Span
from app.domain.range_units.written import Rounded
from app.services.range_units.ingested import Ingested
from app.services.range_units.range_units_service import RangeUnits

BAND = ("range_min", "next_range_min", "price_unit")
NEIGHBOURS = ("floor", "ceil", "next_down", "next_up", "price_unit")


def print_range_units(units: RangeUnits, *, as_json: bool) -> None:
    """Show a table with everything that says how to read it."""
    document = _range_units(units)
    if as_json:
        print_json(document)
        return
    _print_evidence(units)
    print_line(f"{'payload':<11}{shown(document['payload_digest'])}")
    for name in ("source", "boundary", "anchor", "top", "top_rule", "min_price", "max_price"):
        print_line(f"{name:<11}{shown(document[name])}")
    print_line("")
    if units.table.bands:
        print_table(BAND, _bands(units), numbers=BAND)
    else:
        print_line("no tick rule: any positive price within the limits is valid")
    print_findings(map(_finding, lint(units.table)))


def print_stated(units: RangeUnits, *, is_new: bool, as_json: bool) -> None:
    """Tell what stating a table led to."""
    if as_json:
        print_json({"created": is_new, **_range_units(units)})
        return
    news = "has new range units" if is_new else "has these range units already"
    print_line(f"{units.revision.market} {news}, in force {_since(units)}.")
    print_findings(map(_finding, lint(units.table)))


def print_ingested(ingested: Ingested, *, as_json: bool) -> None:
    """Count what became of the markets of a reply, and say which were rejected, and why."""
    counts = {
        "attempted": ingested.attempted,
        "inserted": ingested.inserted,
        "updated": ingested.updated,
        "unchanged": ingested.unchanged,
        "rejected": ingested.rejected,
        "checked": ingested.checked,
    }
    lint = [{"market": str(market), **_finding(found)} for market, found in ingested.lint]
    if as_json:
        rejections = [rejection(fault) for fault in ingested.rejections]
        print_json({**counts, "rejections": rejections, "lint": lint})
        return
    for fault in ingested.rejections:
        complain(f"rejected: {fault}")
    print_line(", ".join(f"{count} {name}" for name, count in counts.items()))
    print_findings(lint)


def print_findings(findings: Iterable[dict[str, object]]) -> None:
    """Say what is odd about tables."""
    for finding in findings:
        about = f"{finding['market']} " if "market" in finding else ""
        message = shown(finding["message"])
        print_line(f"odd: {about}band {finding['position']}: {message} ({finding['code']})")


def print_change(placed: PlacedChange, *, as_json: bool) -> None:
    """Tell of a change in one line, as there may be many and more to come."""
    change = placed.change
    start = None if change.effective_from is None else rfc3339(change.effective_from)
    if not as_json:
        since = "since an unknown start" if start is None else f"from {start}"
        words = (placed.position, rfc3339(change.at), change.kind, change.market, since)
        print_line("  ".join(map(str, (*words, change.revision_id))))
        return
    document = {
        "position": placed.position,
        "at": rfc3339(change.at),
        "kind": change.kind,
        "exchange": change.market.exchange,
        "quote_currency": change.market.quote,
        "target_currency": change.market.target,
        "revision_id": str(change.revision_id),
        "effective_from": start,
        "source": change.source,
        "digest": change.digest,
    }
    write_text(json.dumps(document) + "\n")


def print_answers(units: RangeUnits, answers: Sequence[PriceAnswer], *, as_json: bool) -> None:
    """Say of each price whether it is valid, why not, and what the valid ones around it are."""
    results = [{**_answer(answer), "grandfathered": None} for answer in answers]
    if as_json:
        print_json({**_evidence(units), "results": results})
        return
    columns = ["price", "valid", "reason", *NEIGHBOURS]
    print_table(columns, results, numbers={"price", *NEIGHBOURS})
    _print_evidence(units)


def print_explained(
    units: RangeUnits, explained: Sequence[tuple[PriceAnswer, Span | None]], *, as_json: bool
) -> None:
    """Say of each observed price what `print_answers` does, and which revision allowed it."""
    results = [
        {**_answer(answer), "grandfathered": None if span is None else _span(span)}
        for answer, span in explained
    ]
    if as_json:
        print_json({**_evidence(units), "results": results})
        return
    columns = ["price", "valid", "reason", "floor", "ceil", "valid_until", "by_revision"]
    rows = [
        {
            **_answer(answer),
            "valid_until": span and span.effective_until,
            "by_revision": span and span.revision.id,
        }
        for answer, span in explained
    ]
    print_table(columns, rows, numbers={"price", "floor", "ceil"})
    _print_evidence(units)


def print_rounded(units: RangeUnits, rounded: Iterable[Rounded], *, as_json: bool) -> None:
    """Say what each price rounds to, and why it had to change or cannot be rounded."""
    results = [_rounded(result) for result in rounded]
    if as_json:
        print_json({**_evidence(units), "results": results})
        return
    print_table(["price", "rounded", "reason"], results, numbers={"price", "rounded"})
    _print_evidence(units)


def _since(units: RangeUnits) -> str:
    start = units.revision.effective_from
    return "from a time not known" if start is None else f"from {shown(start)}"


def _print_evidence(units: RangeUnits) -> None:
    age = timedelta(seconds=_age_seconds(units))
    market, revision = units.revision.market, units.revision.id
    print_line(f"{market}, in force {_since(units)}, confirmed {age} ago, revision {revision}")


def _age_seconds(units: RangeUnits) -> int:
    return units.age // timedelta(seconds=1)


def _evidence(units: RangeUnits) -> dict[str, object]:
    revision = units.revision
    return {
        "exchange": revision.market.exchange,
        "quote_currency": revision.market.quote,
        "target_currency": revision.market.target,
        "revision_id": revision.id,
        "effective_from": revision.effective_from,
        "age_seconds": _age_seconds(units),
    }


def _range_units(units: RangeUnits) -> dict[str, object]:
    revision, table = units.revision, units.table
    return {
        **_evidence(units),
        "recorded_at": revision.recorded_at,
        "last_seen": revision.last_seen,
        "source": revision.source,
        "digest": revision.digest,
        "payload_digest": revision.payload_digest,
        "boundary": table.boundary,
        "anchor": table.anchor,
        "top": number(table.top),
        "top_rule": table.top_rule,
        "min_price": number(table.min_price),
        "max_price": number(table.max_price),
        "range_units": _bands(units),
        "lint": [_finding(found) for found in lint(table)],
    }


def _finding(finding: Finding) -> dict[str, object]:
    return {"code": finding.code, "position": finding.position, "message": finding.message}


def _bands(units: RangeUnits) -> list[dict[str, object]]:
    return [
        {
            "range_min": number(row.range_min),
            "next_range_min": number(row.next_range_min),
            "price_unit": number(row.price_unit),
        }
        for row in units.table.rows()
    ]


def _answer(answer: PriceAnswer) -> dict[str, object]:
    band = answer.band
    return {
        "price": number(answer.price),
        "valid": answer.valid,
        "reason": answer.reason,
        "floor": number(answer.floor),
        "ceil": number(answer.ceil),
        "next_down": number(answer.next_down),
        "next_up": number(answer.next_up),
        "price_unit": None if band is None else number(band.price_unit),
        "range_min": None if band is None else number(band.range_min),
        "next_range_min": None if band is None else number(band.next_range_min),
    }


def _span(span: Span) -> dict[str, object]:
    return {
        "revision_id": span.revision.id,
        "effective_from": span.effective_from,
        "effective_until": span.effective_until,
    }


def _rounded(result: Rounded) -> dict[str, object]:
    return {
        "price": result.price,
        "rounded": result.rounded,
        "changed": result.rounded != result.price,
        "reason": result.reason,
    }


def number(value: Decimal | None) -> str | None:
    """Write a number as the API does."""
    return None if value is None else plain(value)
