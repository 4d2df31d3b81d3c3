"""`tickgate range-units …`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID

import typer

from app.adapters.cli.jobs import add_job_commands
from app.adapters.cli.output import complain, print_json, print_line, write_text
from app.adapters.cli.range_units_answers import (
    print_answers,
    print_change,
    print_explained,
    print_ingested,
    print_range_units,
    print_rounded,
    print_stated,
)
from app.adapters.cli.range_units_arguments import (
    LATEST,
    After,
    AsOf,
    Before,
    Exchange,
    KnownAt,
    MarketName,
    Observed,
    ObservedAt,
    Prices,
    Since,
    content_of,
    direction_said,
    is_curated,
    market_named,
    revision_said,
)
from app.adapters.cli.range_units_history import print_diff, print_history
from app.adapters.cli.range_units_services import RangeUnitsServices
from app.adapters.cli.shell import Json, Opened, examples, run
from app.domain.range_units.grid import Direction, Ties
from app.domain.range_units.numbers import plain
from app.domain.range_units.orders import Intent, Side
from app.domain.range_units.revisions import Market, Observation, exchange_code
from app.services.range_units.history_service import DatedRevision

PAGE: Final = 500


class RangeUnitsCommands:
    """Range units, and prices by them, for an operator at the machine."""

    def __init__(
        self,
        opened: Opened[RangeUnitsServices],
        read_curated: Callable[[bytes], Observation],
        vectors: Callable[[], str],
    ) -> None:
        self._opened = opened
        self._read_curated = read_curated
        self._vectors = vectors

    def import_file(
        self,
        *,
        file: Annotated[Path, typer.Argument(metavar="FILE", help="- is standard input.")],
        exchange: Exchange,
        market: MarketName,
        observed_at: ObservedAt = None,
        as_json: Json = False,
    ) -> None:
        """Import range units: a curated table, or what an exchange replied.

        A file with "bands" at its top level is a curated table, and says itself from when on it
        holds. Anything else is read as a reply of the exchange, and holds from when it was got;
        one that is older than what is known becomes history at most.
        """
        place = market_named(exchange, market)
        payload, source = content_of(file)
        if is_curated(payload):
            if observed_at is not None:
                message = "goes with a reply; a curated table says itself from when on it holds"
                raise typer.BadParameter(message, param_hint="'--observed-at'")
            self._state(place, self._read_curated(payload), as_json=as_json)
            return
        ingested = run(
            self._opened,
            lambda services: services.range_units.ingest(
                market=place, payload=payload, source=source, observed_at=observed_at
            ),
        )
        print_ingested(ingested, as_json=as_json)

    def _state(self, market: Market, stated: Observation, *, as_json: bool) -> None:
        if stated.market not in (market, market.ladder):
            complain(f"the file is about {stated.market}; it is imported for {market}, as told")
        units, is_new = run(
            self._opened,
            lambda services: services.range_units.put_range_units(
                market=market,
                table=stated.table,
                source=stated.source,
                effective_from=stated.effective_from,
                start_unknown=stated.effective_from is None,
                payload_digest=stated.payload_digest,
            ),
        )
        print_stated(units, is_new=is_new, as_json=as_json)

    def show(
        self,
        *,
        exchange: Exchange,
        market: MarketName,
        as_of: AsOf = None,
        known_at: KnownAt = None,
        as_json: Json = False,
    ) -> None:
        """Show the range units that answer for a market."""
        place = market_named(exchange, market)
        units = run(
            self._opened,
            lambda services: services.range_units.current(
                market=place, as_of=as_of, known_at=known_at
            ),
        )
        print_range_units(units, as_json=as_json)

    def history(self, *, exchange: Exchange, market: MarketName, as_json: Json = False) -> None:
        """List the revisions of a market.

        Its own and its quote currency's, superseded ones too, the newest record first.
        """
        place = market_named(exchange, market)
        print_history(run(self._opened, partial(_whole_history, market=place)), as_json=as_json)

    def withdraw(
        self,
        *,
        revision: Annotated[
            UUID, typer.Argument(metavar="REVISION", help="Its id, as history shows it.")
        ],
        exchange: Exchange,
        market: MarketName,
        as_json: Json = False,
    ) -> None:
        """Take an announced revision back before it comes into force.

        It stays in the history. One that is in force is followed by a later one instead. That of
        a whole quote currency is withdrawn there, as --market 'KRW/*'.
        """
        place = market_named(exchange, market)
        run(
            self._opened,
            lambda services: services.history.withdraw(market=place, revision_id=revision),
        )
        if as_json:
            print_json({"revision_id": revision, "withdrawn": True})
        else:
            print_line(f"The revision {revision} of {place} is withdrawn.")

    def diff(
        self,
        *,
        before: Before,
        after: After,
        exchange: Exchange,
        market: MarketName,
        as_json: Json = False,
    ) -> None:
        """Say what a change changes.

        Bands, units, and which prices are not valid any more.
        """
        place = market_named(exchange, market)
        one, other = revision_said(before), revision_said(after)
        compared = run(
            self._opened,
            lambda services: services.history.diff(market=place, before=one, after=other),
        )
        print_diff(compared, as_json=as_json)

    def check(  # noqa: PLR0913 - one parameter per option
        self,
        *,
        price: Prices,
        exchange: Exchange,
        market: MarketName,
        as_of: AsOf = None,
        known_at: KnownAt = None,
        observed: Observed = False,
        as_json: Json = False,
    ) -> None:
        """Say of each price whether it is valid, and why not.

        With the valid prices around it. An invalid price is an answer like any other: the exit
        code is 0. One that was observed in a book may have been valid before.
        """
        place = market_named(exchange, market)
        if observed:
            units, explained = run(
                self._opened,
                lambda services: services.prices.explain(
                    market=place, prices=price, as_of=as_of, known_at=known_at
                ),
            )
            print_explained(units, explained, as_json=as_json)
            return
        units, answers = run(
            self._opened,
            lambda services: services.prices.check(
                market=place, prices=price, as_of=as_of, known_at=known_at
            ),
        )
        print_answers(units, answers, as_json=as_json)

    def round_prices(  # noqa: PLR0913 - one parameter per option
        self,
        *,
        price: Prices,
        exchange: Exchange,
        market: MarketName,
        direction: Annotated[Direction | None, typer.Option(help="Where to.")] = None,
        ties: Annotated[
            Ties | None, typer.Option(help="Which of two is nearest, half-way.  [default: up]")
        ] = None,
        side: Annotated[Side | None, typer.Option(help="Of the order, with --intent.")] = None,
        intent: Annotated[
            Intent | None, typer.Option(help="To rest in the book, or to be filled.")
        ] = None,
        as_of: AsOf = None,
        known_at: KnownAt = None,
        as_json: Json = False,
    ) -> None:
        """Round prices to valid ones.

        Say where to, by --direction, or by --side and --intent. Where there is no valid price in
        that direction, the answer has none, and the reason beside it; the exit code is 0.
        """
        place = market_named(exchange, market)
        towards = direction_said(direction, side, intent)
        if ties is not None and towards is not Direction.NEAREST:
            raise typer.BadParameter("goes with --direction nearest only", param_hint="'--ties'")
        units, rounded = run(
            self._opened,
            lambda services: services.prices.round(
                market=place,
                prices=[plain(each) for each in price],
                direction=towards,
                ties=ties or Ties.UP,
                as_of=as_of,
                known_at=known_at,
            ),
        )
        print_rounded(units, rounded, as_json=as_json)

    def changes(
        self,
        *,
        since: Since = None,
        exchange: Annotated[
            str | None, typer.Option(metavar="E", help="Of this exchange only.")
        ] = None,
        follow: Annotated[bool, typer.Option("-f", help="Go on until interrupted.")] = False,
        as_json: Json = False,
    ) -> None:
        """Tell what became different, in order.

        All of it, or what is beyond a position. A line each, of JSON with --json.
        """
        code = None if exchange is None else exchange_code(exchange)

        async def changes(services: RangeUnitsServices) -> None:
            feed = services.changes
            position = since or 0
            if since == LATEST:
                position = (await feed.latest(exchange=code)).position
            while True:
                page = await feed.changes(since=position, exchange=code, limit=PAGE)
                for placed in page.changes:
                    print_change(placed, as_json=as_json)
                position = page.position
                if not page.has_more and not follow:
                    return
                if not page.has_more:
                    await services.pause()

        run(self._opened, changes)

    def vectors(self) -> None:
        """Print prices and answers to test clients with."""
        write_text(self._vectors())


async def _whole_history(services: RangeUnitsServices, *, market: Market) -> list[DatedRevision]:
    found = page = await services.history.history(market=market, limit=PAGE)
    while len(page) == PAGE:
        page = await services.history.history(
            market=market, after=found[-1].revision.id, limit=PAGE
        )
        found = [*found, *page]
    return found


def range_units_commands(
    opened: Opened[RangeUnitsServices],
    read_curated: Callable[[bytes], Observation],
    vectors: Callable[[], str],
) -> typer.Typer:
    """Put `tickgate range-units …` together."""
    commands = RangeUnitsCommands(opened, read_curated, vectors)
    group = typer.Typer(help="Range units (tick sizes), and prices by them.", no_args_is_help=True)
    btc = "--exchange coinone --market KRW/BTC"
    group.command("import", epilog=examples(f"range-units import reply.json {btc}"))(
        commands.import_file
    )
    group.command("show", epilog=examples(f"range-units show {btc}"))(commands.show)
    group.command("history", epilog=examples(f"range-units history {btc}"))(commands.history)
    group.command(
        "withdraw",
        epilog=examples(f"range-units withdraw 0192f0c1-7a3e-7c55-9d1f-3b6a1c2d4e5f {btc}"),
    )(commands.withdraw)
    days = "2024-01-28T00:00:00+09:00 2025-07-31T00:00:00+09:00"
    group.command(
        "diff",
        epilog=examples(f"range-units diff {days} --exchange upbit --market 'KRW/*'"),
    )(commands.diff)
    group.command(
        "check",
        epilog=examples(
            f"range-units check 5003 0.3 {btc}",
            f"range-units check 7003 {btc} --as-of 2024-01-28T00:00:00+09:00 --json",
        ),
    )(commands.check)
    group.command(
        "round",
        epilog=examples(
            f"range-units round 5003 1000.5 --direction nearest --ties even {btc}",
            f"range-units round 5003 --side buy --intent passive {btc}",
        ),
    )(commands.round_prices)
    group.command(
        "changes",
        epilog=examples("range-units changes --since latest -f", "range-units changes --since 0"),
    )(commands.changes)
    group.command("vectors", epilog=examples("range-units vectors > vectors.json"))(
        commands.vectors
    )
    add_job_commands(group, opened)
    return group
