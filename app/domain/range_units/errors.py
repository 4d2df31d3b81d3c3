"""What can be refused about range units."""

from decimal import Decimal
from uuid import UUID

from app.domain.errors import ErrorKind, Fault, TickgateError


def rejection(fault: Fault) -> dict[str, str]:
    """Write down why a market of a reply was not taken, as programs read it."""
    return {"market": fault.about, "reason": f"{fault.field}: {fault.message}".lstrip(": ")}


class UnknownExchange(TickgateError):
    """No exchange of that code; exchanges come into being by `PUT /v1/exchanges/{exchange}`."""

    kind = ErrorKind.NOT_FOUND
    code = "unknown_exchange"


class UnknownMarket(TickgateError):
    """The exchange has no range units for that market, nor for its quote currency, at any time."""

    kind = ErrorKind.NOT_FOUND
    code = "unknown_market"


class UnknownHistory(TickgateError):
    """The market is known, but nothing is known of the instant asked about."""

    kind = ErrorKind.NOT_FOUND
    code = "unknown_history"


class InvalidCode(TickgateError):
    """An exchange or currency code that is not spelled like one."""

    kind = ErrorKind.INVALID
    code = "invalid_code"


class InvalidTable(TickgateError):
    """Bands that do not make a table; every fault is listed."""

    kind = ErrorKind.INVALID
    code = "invalid_range_units"


class PayloadRejected(TickgateError):
    """An exchange's reply that holds no trustworthy table; every fault is listed."""

    kind = ErrorKind.INVALID
    code = "payload_rejected"

    @property
    def markets(self) -> int:
        """How many markets its faults are about."""
        return len({fault.about for fault in self.faults})

    def particulars(self) -> dict[str, object]:
        """Count as an accepted payload does, with the reason for each rejection."""
        rejections = [rejection(fault) for fault in self.faults]
        return {"attempted": self.markets, "rejected": self.markets, "rejections": rejections}


class ObservedInFuture(TickgateError):
    """A reply that is said to have been got at an instant that is yet to come."""

    kind = ErrorKind.INVALID
    code = "observed_in_future"


class NoPayloadFormat(TickgateError):
    """Replies of that exchange cannot be read: no format is known for it."""

    kind = ErrorKind.NOT_FOUND
    code = "no_payload_format"


class PriceOffGrid(TickgateError):
    """Counting or stepping from a price that is not valid has no answer.

    Nor has it where there is no tick rule, from whatever price. `facts` are those that every
    refused price comes with, once it is known by which revision.
    """

    kind = ErrorKind.INVALID
    code = "price_off_grid"

    def __init__(self, detail: str, *, price: Decimal) -> None:
        super().__init__(detail)
        self.price = price
        self.facts: dict[str, object] = {}

    def particulars(self) -> dict[str, object]:
        """Give the reason, the neighbours, the unit and band, and the revision."""
        return {"refused_price": self.facts} if self.facts else {}


class UnknownRevision(TickgateError):
    """The market has no such revision, or none that is still to come and could be withdrawn."""

    kind = ErrorKind.NOT_FOUND
    code = "unknown_revision"


class RevisionInForce(TickgateError):
    """What is already in force is history: it is not amended, a later revision follows it."""

    kind = ErrorKind.CONFLICT
    code = "revision_in_force"


class FeedUnavailable(TickgateError):
    """An exchange gives no answer that can be used, though it was asked several times."""

    kind = ErrorKind.UNAVAILABLE
    code = "feed_unavailable"


class FeedRefused(TickgateError):
    """An exchange's answer is no use, and asking again would not change that.

    Unavailable like a feed that is silent: nothing in the caller's request is wrong.
    """

    kind = ErrorKind.UNAVAILABLE
    code = "feed_refused"


class UnknownPosition(TickgateError):
    """A position that the feed of changes has not reached: it is of another database.

    Waiting for it would be waiting in vain, and missing everything meanwhile.
    """

    kind = ErrorKind.INVALID
    code = "unknown_position"


class TooManyFollowers(TickgateError):
    """As many follow the changes in this process as it has places for."""

    kind = ErrorKind.UNAVAILABLE
    code = "busy"


class NoFeed(TickgateError):
    """That exchange cannot be asked: nothing is known of where it publishes its range units."""

    kind = ErrorKind.NOT_FOUND
    code = "no_feed"


class UnknownJob(TickgateError):
    """There is no job of that id."""

    kind = ErrorKind.NOT_FOUND
    code = "unknown_job"


class SyncInProgress(TickgateError):
    """The exchange has a sync that has not ended; there is one at a time."""

    kind = ErrorKind.CONFLICT
    code = "sync_in_progress"

    def __init__(self, detail: str, *, job_id: UUID | None = None) -> None:
        super().__init__(detail)
        self.job_id = job_id

    def particulars(self) -> dict[str, object]:
        """Name the job that is in the way, where it is known."""
        return {} if self.job_id is None else {"job_id": str(self.job_id)}


class JobFinished(TickgateError):
    """The job has ended: there is nothing left of it to cancel, or to resume."""

    kind = ErrorKind.CONFLICT
    code = "job_finished"


class UnknownPayload(TickgateError):
    """There is no rejected payload of that id; the oldest of an exchange are let go."""

    kind = ErrorKind.NOT_FOUND
    code = "unknown_payload"
