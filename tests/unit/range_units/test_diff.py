"""What differs between two tables, beside what enumerating all prices says."""

from decimal import Decimal
from typing import Final

from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.range_units.diff import TableDiff, diff
from app.domain.range_units.grid import PriceGrid
from app.domain.range_units.numbers import plain
from app.domain.range_units.table import (
    Anchor,
    Band,
    Boundary,
    RangeUnitTable,
    Row,
    TopRule,
)
from tests.unit.range_units.ladders import ladder

# In tenths. Above the last bound the grids repeat after 5 * 4 * 3 * 2 of them at the latest.
_BOUNDS: Final = [Decimal(tenths) / 10 for tenths in range(-5, 31)]
_UNITS: Final = [Decimal(tenths) / 10 for tenths in (1, 2, 3, 4, 5, 10)]
_PERIOD: Final = 60
_END: Final = 30 + 3 * _PERIOD


@st.composite
def tables(draw: st.DrawFn) -> RangeUnitTable:
    starts = sorted(draw(st.lists(st.sampled_from(_BOUNDS), max_size=4, unique=True)))
    top_rule = draw(st.sampled_from(TopRule)) if starts else TopRule.OPEN
    above = [bound for bound in _BOUNDS if starts and bound > starts[-1]]
    if not above:
        top_rule = TopRule.OPEN
    limits = st.none() | st.sampled_from(_BOUNDS[6:])
    low, high = draw(limits), draw(limits)
    if low is not None and high is not None and low > high:
        low, high = high, low
    return RangeUnitTable(
        bands=tuple(Band(start, draw(st.sampled_from(_UNITS))) for start in starts),
        boundary=draw(st.sampled_from(Boundary)),
        anchor=draw(st.sampled_from(Anchor)),
        top=None if top_rule is TopRule.OPEN else draw(st.sampled_from(above)),
        top_rule=top_rule,
        min_price=low,
        max_price=high,
    )


def lost_prices(before: RangeUnitTable, after: RangeUnitTable, decimals: int) -> list[Decimal]:
    old, new = PriceGrid(before), PriceGrid(after)
    step = 10**decimals
    prices = [Decimal(at) / step for at in range(-step, _END * step // 10 + 1)]
    return [price for price in prices if old.is_valid(price) and not new.is_valid(price)]


def inside(found: TableDiff, price: Decimal) -> bool:
    return any(
        loss.first <= price and (loss.last is None or price <= loss.last) for loss in found.losses
    )


BELOW_5: Final = RangeUnitTable((Band(Decimal(0), Decimal("0.2")),), max_price=Decimal(5))


@settings(max_examples=60, deadline=None)
@given(before=tables(), after=tables())
@example(before=BELOW_5, after=RangeUnitTable((Band(Decimal(0), Decimal("0.4")),)))
@example(before=RangeUnitTable(()), after=BELOW_5)
@example(before=RangeUnitTable(()), after=RangeUnitTable((), max_price=Decimal(1)))
@example(before=BELOW_5, after=RangeUnitTable(()))
def test_the_losses_are_those_that_enumerating_prices_finds(
    before: RangeUnitTable, after: RangeUnitTable
) -> None:
    decimals = 1
    if not before.bands or not after.bands:
        decimals = max(PriceGrid(before).scale, PriceGrid(after).scale) + 1
    found = diff(before, after)
    lost = lost_prices(before, after, decimals=decimals)
    assert [price for price in lost if not inside(found, price)] == []
    said = {loss.first for loss in found.losses} | {loss.last for loss in found.losses} - {None}
    assert {end for end in said if end not in lost and not is_fine(end)} == set()
    # Ends are lost prices themselves, and a loss without end goes on to the last enumerated.
    assert (any(loss.last is None for loss in found.losses)) == (
        bool(lost) and lost[-1] > Decimal(_END - 2 * _PERIOD) / 10
    )


def is_fine(price: Decimal | None) -> bool:
    """Tell whether a price is beyond what was enumerated, for being too fine."""
    return price is not None and -price.as_tuple().exponent > 2  # type: ignore[operator]  # finite


def test_a_table_has_lost_nothing_to_itself() -> None:
    for name in ("upbit-krw-2025-07-31", "tse-topix500", "okx-events", "binance-sample"):
        found = diff(ladder(name).table, ladder(name).table)
        assert found == TableDiff((), (), (), (), (), (), ()), name


def rows(*rows: tuple[str, str | None, str]) -> tuple[Row, ...]:
    return tuple(
        Row(Decimal(low), Decimal(unit), None if high is None else Decimal(high))
        for low, high, unit in rows
    )


def table(*bands: tuple[str, str], **reading: object) -> RangeUnitTable:
    return RangeUnitTable(
        tuple(Band(Decimal(low), Decimal(unit)) for low, unit in bands),
        **reading,  # type: ignore[arg-type]  # drawn as any
    )


def test_a_band_is_split_and_merged_where_others_have_its_bounds_together() -> None:
    coarse = table(("0", "1"), ("10", "5"), ("100", "10"))
    fine = table(("0", "1"), ("10", "5"), ("50", "10"), ("100", "10"))
    split, merged = diff(coarse, fine), diff(fine, coarse)
    [division] = split.split
    assert division.whole == rows(("10", "100", "5"))[0]
    assert division.parts == rows(("10", "50", "5"), ("50", "100", "10"))
    assert (merged.merged, merged.split) == (split.split, ())
    assert (split.added, split.removed, split.merged) == ((), (), ())


def test_a_band_whose_bounds_are_new_is_added_and_one_whose_bounds_are_gone_removed() -> None:
    found = diff(table(("0", "1"), ("10", "5")), table(("0", "1"), ("20", "5")))
    assert found.added == rows(("0", "20", "1"), ("20", None, "5"))
    assert found.removed == rows(("0", "10", "1"), ("10", None, "5"))


def test_ranges_tell_where_the_unit_got_finer_or_coarser() -> None:
    before = table(("0", "1"), ("10", "5"), ("20", "5"), ("50", "10"))
    after = table(("0", "2"), ("15", "1"), ("50", "10"))
    found = diff(before, after)
    shown = [
        [(str(c.range_min), str(c.next_range_min), str(c.unit_before), str(c.unit_after))]
        for c in (*found.coarser, *found.finer)
    ]
    assert shown == [[("0", "10", "1", "2")], [("10", "15", "5", "2")], [("15", "50", "5", "1")]]


def test_what_goes_on_differently_or_after_a_pause_is_told_apart() -> None:
    plain_one, halted = table(("0", "1")), table(("0", "2"), ("10", "1"), ("20", "2"))
    assert [(int(c.range_min), c.next_range_min) for c in diff(plain_one, halted).coarser] == [
        (0, 10),
        (20, None),
    ]
    losses = diff(table(("0", "4")), table(("0", "3"), ("9", "5"))).losses
    assert [(loss.last, loss.unit_after) for loss in losses] == [(4, 3), (8, None), (None, 5)]


def test_what_only_the_boundary_the_anchor_the_top_or_a_limit_changes_is_lost_exactly() -> None:
    bands = (("0", "0.3"), ("1", "0.5"))
    without, nines = table(*bands), Decimal("0." + "9" * 18)
    cases = {
        "boundary": (table(*bands, boundary=Boundary.UPPER_INCLUSIVE), ("1", "1")),
        "anchor": (table(("0", "0.3"), ("1", "0.4"), anchor=Anchor.RANGE_MIN), ("1.5", None)),
        "top": (table(*bands, top=Decimal(2), top_rule=TopRule.EXCLUSIVE), ("2", None)),
        "reached top": (table(*bands, top=Decimal(2), top_rule=TopRule.INCLUSIVE), ("2.5", None)),
        "least": (table(*bands, min_price=nines), ("0.3", "0.9")),
        "greatest": (table(*bands, max_price=Decimal("1.9")), ("2", None)),
    }
    for name, (after, (first, last)) in cases.items():
        [loss] = diff(without, after).losses
        assert (plain(loss.first), loss.last and plain(loss.last)) == (first, last), name


def test_units_of_eighteen_decimals_and_prices_of_36_digits_are_told_apart() -> None:
    unit, double = "0.000000000000000001", "0.000000000000000002"
    start = "1" + "0" * 17
    before, after = table((start, unit)), table((start, double), anchor=Anchor.RANGE_MIN)
    [loss] = diff(before, after).losses
    assert (loss.first, loss.last) == (Decimal(f"{start}.000000000000000001"), None)
    assert diff(after, before).losses == ()


def test_upbits_last_change_made_units_coarser_above_ten_and_lost_what_golden_case_23_says() -> (
    None
):
    before, after = ladder("upbit-krw-2024-01-29").table, ladder("upbit-krw-2025-07-31").table
    found = diff(before, after)
    assert inside(found, Decimal(7003))
    assert inside(found, Decimal(1234500))
    assert all(change.unit_before < change.unit_after for change in found.coarser)
