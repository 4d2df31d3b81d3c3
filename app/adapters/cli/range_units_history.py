"""How histories and differences look. The documents are those of the HTTP API."""

from collections.abc import Sequence

from app.adapters.cli.output import print_json, print_line, print_table
from app.adapters.cli.range_units_answers import number
from app.domain.range_units.diff import Division, Loss, UnitChange
from app.domain.range_units.revisions import Revision
from app.domain.range_units.table import Row
from app.services.range_units.history_service import Compared, DatedRevision


def print_history(dated: Sequence[DatedRevision], *, as_json: bool) -> None:
    """List revisions."""
    items = [_revision(one) for one in dated]
    if as_json:
        print_json({"items": items, "next_cursor": None})
        return
    print_table(
        ["market", "effective_from", "effective_until", "recorded_at", "superseded_at", "revision"],
        [
            {
                **item,
                "market": f"{item['quote_currency']}/{item['target_currency']}",
                "revision": item["revision_id"],
            }
            for item in items
        ],
    )


def print_diff(compared: Compared, *, as_json: bool) -> None:
    """Tell what differs, kind by kind; what does not is left out."""
    difference = compared.difference
    document: dict[str, list[dict[str, object]]] = {
        "added": [_band(row) for row in difference.added],
        "removed": [_band(row) for row in difference.removed],
        "split": [_division(division) for division in difference.split],
        "merged": [_division(division) for division in difference.merged],
        "finer": [_unit_change(change) for change in difference.finer],
        "coarser": [_unit_change(change) for change in difference.coarser],
        "losses": [_loss(loss) for loss in difference.losses],
    }
    if as_json:
        before, after = _ref(compared.before), _ref(compared.after)
        print_json({"before": before, "after": after, **document})
        return
    lines = {
        **document,
        "split": [line for division in difference.split for line in _lines(division)],
        "merged": [line for division in difference.merged for line in _lines(division)],
    }
    for kind, rows in lines.items():
        if rows:
            print_line(f"{kind}:")
            print_table(list(rows[0]), rows, numbers=set(rows[0]))
    if not any(document.values()):
        print_line("No difference.")


def _revision(dated: DatedRevision) -> dict[str, object]:
    revision = dated.revision
    return {
        "exchange": revision.market.exchange,
        "quote_currency": revision.market.quote,
        "target_currency": revision.market.target,
        **_ref(revision),
        "effective_until": dated.effective_until,
        "recorded_at": revision.recorded_at,
        "last_seen": revision.last_seen,
        "superseded_at": revision.superseded_at,
        "source": revision.source,
        "digest": revision.digest,
        "payload_digest": revision.payload_digest,
    }


def _ref(revision: Revision) -> dict[str, object]:
    return {"revision_id": revision.id, "effective_from": revision.effective_from}


def _band(row: Row) -> dict[str, object]:
    return {
        "range_min": number(row.range_min),
        "next_range_min": number(row.next_range_min),
        "price_unit": number(row.price_unit),
    }


def _division(division: Division) -> dict[str, object]:
    return {"whole": _band(division.whole), "parts": [_band(part) for part in division.parts]}


def _lines(division: Division) -> list[dict[str, object]]:
    """Write a band and its parts below one another, each part with what it is a part of."""
    whole = f"{number(division.whole.range_min)}-{number(division.whole.next_range_min) or ''}"
    return [{"band": whole, **_band(part)} for part in division.parts]


def _unit_change(change: UnitChange) -> dict[str, object]:
    return {
        "range_min": number(change.range_min),
        "next_range_min": number(change.next_range_min),
        "unit_before": number(change.unit_before),
        "unit_after": number(change.unit_after),
    }


def _loss(loss: Loss) -> dict[str, object]:
    return {
        "first": number(loss.first),
        "last": number(loss.last),
        "unit_before": number(loss.unit_before),
        "unit_after": number(loss.unit_after),
    }
