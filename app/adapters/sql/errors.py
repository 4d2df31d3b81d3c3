"""What a database's errors mean: the one place where they become errors of the domain."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import exc

from app.domain.errors import SchemaOutOfDate, StoreUnavailable, TickgateError

Violations = Mapping[str, type[TickgateError]]
"""Which error a violated constraint means: by its name, as Postgres reports it, and by its
columns (`users.username_key`), as SQLite does."""

# Connections lost or refused, servers that are going down or read-only for now (a standby, after a
# failover), resources exhausted, locks and deadlocks, statements that took too long: https://www.postgresql.org/docs/current/errcodes-appendix.html
_PASSING_SQLSTATES: Final = ("08", "25006", "40", "53", "57", "58", "55P03")
_OF_PGBOUNCER: Final = "unsupported startup parameter"
_PASSING_SQLITE: Final = (
    "SQLITE_BUSY",
    "SQLITE_CANTOPEN",
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_LOCKED",
    "SQLITE_READONLY",
)


def domain_error(error: BaseException, violations: Violations) -> TickgateError | None:
    """Give what a driver's error means, or None where it is a defect of ours."""
    if isinstance(error, TickgateError):
        return error
    if isinstance(error, exc.IntegrityError) and not _is_of_no_partition(error):
        return _violation(error, violations)
    if _is_refused(error):
        return StoreUnavailable(f"The database cannot be used: {_reason(error)}.")
    if _is_passing(error) or _is_of_no_partition(error):
        return StoreUnavailable("The database does not answer.", retry_after=1)
    if _is_about_schema(error):
        return SchemaOutOfDate()
    return None


def _violation(error: exc.IntegrityError, violations: Violations) -> TickgateError | None:
    driver_error = getattr(error.orig, "__cause__", None)
    named = getattr(driver_error, "constraint_name", None)  # asyncpg's
    # SQLite's says no more than «UNIQUE constraint failed: users.username_key».
    key = named or str(error.orig).rpartition(": ")[2]
    meaning = violations.get(key)
    return None if meaning is None else meaning((meaning.__doc__ or "").partition("\n")[0])


def _is_of_no_partition(error: BaseException) -> bool:
    """Whether a row came for a default partition just when its own month was being made."""
    driver_error = getattr(getattr(error, "orig", None), "__cause__", None)
    return (
        getattr(driver_error, "sqlstate", None) == "23514"
        and getattr(driver_error, "constraint_name", None) is None
    )


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, exc.TimeoutError | OSError):  # no free connection; none to be had
        return True
    if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
        return True
    sqlstate, sqlite_name = _codes(error)
    return sqlstate.startswith(_PASSING_SQLSTATES) or sqlite_name.startswith(_PASSING_SQLITE)


def _is_refused(error: BaseException) -> bool:
    """Whether there is no such database or role, or its files are broken or something else."""
    sqlstate, sqlite_name = _codes(error)
    if _OF_PGBOUNCER in str(error):
        return True
    if sqlite_name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return True
    return sqlstate.startswith(("28", "3D", "XX001", "XX002"))


def _reason(error: BaseException) -> str:
    reason = str(getattr(error, "orig", error)).rpartition(">: ")[2].partition("\n")[0]
    if _OF_PGBOUNCER in reason:
        return f"{reason}, says PgBouncer; set TICKGATE_DATABASE_POOLER=transaction"
    return reason


def _is_about_schema(error: BaseException) -> bool:
    sqlstate, sqlite_name = _codes(error)
    if sqlite_name == "SQLITE_ERROR":  # the one name that SQLite has for these
        return "no such table" in str(error) or "no such column" in str(error)
    return sqlstate in {"42P01", "42703"}


def _codes(error: BaseException) -> tuple[str, str]:
    """Give Postgres's SQLSTATE and SQLite's name of a driver's error, empty where it has none."""
    driver_error = getattr(error, "orig", None)
    sqlstate = getattr(driver_error, "sqlstate", None) or ""
    return sqlstate, getattr(driver_error, "sqlite_errorname", None) or ""
