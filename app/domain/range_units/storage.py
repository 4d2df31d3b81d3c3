"""How long each kept text may be; the same bounds on every store."""

from typing import Final

from app.domain.range_units.changes import Change
from app.domain.range_units.revisions import Exchange, Market, Revision
from app.domain.text import check_storable

CODE: Final = 32
NAME: Final = 100
TIME_ZONE: Final = 64
SOURCE: Final = 500
DIGEST: Final = 71


def check_exchange(exchange: Exchange) -> None:
    """Raise `UnstorableText` where a text of the exchange cannot be kept."""
    check_storable(exchange.code, CODE)
    check_storable(exchange.name, NAME)
    check_storable(exchange.time_zone, TIME_ZONE)


def check_market(market: Market) -> None:
    """Raise `UnstorableText` where a text of the market cannot be kept."""
    for code in (market.exchange, market.quote, market.target):
        check_storable(code, CODE)


def check_revision(revision: Revision) -> None:
    """Raise `UnstorableText` where a text of the revision cannot be kept."""
    check_storable(revision.source, SOURCE)
    check_storable(revision.digest, DIGEST)
    if revision.payload_digest is not None:
        check_storable(revision.payload_digest, DIGEST)


def check_change(change: Change) -> None:
    """Raise `UnstorableText` where a text of the change cannot be kept."""
    check_market(change.market)
    check_storable(change.source, SOURCE)
    check_storable(change.digest, DIGEST)
