"""The vocabulary of refusals that both areas share.

Each area derives its own errors from `TickgateError`. The driving adapters translate by `kind`
alone: one table maps kinds to HTTP statuses, one to exit codes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar


class ErrorKind(StrEnum):
    """What a caller can do about an error; the names are stable."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an input: `field` is its path (`range_units[3].price_unit`).

    `about` names the market where an input speaks of several.
    """

    field: str
    message: str
    about: str = ""

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.about, self.field, self.message)))


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How much is left of the quota that is nearest to its end, by its name."""

    name: str
    quota: int
    window: timedelta
    remaining: int
    resets_in: timedelta


class TickgateError(Exception):
    """A refusal with a stable `code`; `detail` is for people and names no secret."""

    kind: ClassVar[ErrorKind]
    code: ClassVar[str]

    def __init__(
        self,
        detail: str,
        *,
        faults: Sequence[Fault] = (),
        retry_after: int | None = None,
        rate_limit: RateLimit | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.faults = tuple(faults)
        self.retry_after = retry_after
        """Whole seconds after which the same request may succeed."""
        self.rate_limit = rate_limit
        """What is left of the limit that the request counted against."""

    def particulars(self) -> dict[str, object]:
        """Give what programs may want to know beside the faults, by name."""
        return {}


class StoreUnavailable(TickgateError):
    """The store did not answer, or broke off.

    Nothing of the unit of work is kept; unless it broke off while committing, when nobody knows:
    a commit that a silent network held up may even take effect later.
    """

    kind = ErrorKind.UNAVAILABLE
    code = "store_unavailable"


class SchemaOutOfDate(TickgateError):
    """The database has no schema, or not the one that this version of the service needs."""

    kind = ErrorKind.UNAVAILABLE
    code = "schema_out_of_date"

    def __init__(self) -> None:
        super().__init__("The database needs another schema: run 'tickgate db upgrade'.")


class SchemaTooNew(TickgateError):
    """The database has been migrated by a newer version of the service than this one."""

    kind = ErrorKind.UNAVAILABLE
    code = "schema_too_new"

    def __init__(self, *, known: str) -> None:
        super().__init__(
            "The database has the schema of a newer version: run that one, or have it run "
            f"'tickgate db downgrade {known}'."
        )


class UnitOfWorkFailed(TickgateError):
    """A statement of this unit of work was refused earlier: only leaving it is possible."""

    kind = ErrorKind.CONFLICT
    code = "unit_of_work_failed"


class UnstorableText(TickgateError):
    """A text that no store can hold: it has a NUL, a lone surrogate, or is over-long."""

    kind = ErrorKind.INVALID
    code = "unstorable_text"
