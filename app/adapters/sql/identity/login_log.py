from collections.abc import Collection
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Index,
    LargeBinary,
    String,
    TextClause,
    Uuid,
    bindparam,
    insert,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.adapters.sql.database import Base
from app.adapters.sql.types import UtcDateTime, code_text, unnested
from app.adapters.sql.unit_of_work import SqlTransaction
from app.domain.identity import storage
from app.domain.identity.devices import DeviceType
from app.domain.identity.errors import (
    AttemptNotPending,
)
from app.domain.identity.login_log import (
    FAILURES,
    FailReason,
    LoginAttempt,
    LoginLogFilter,
    LoginLogPosition,
    Outcome,
)
from app.domain.identity.networks import (
    CLIENT_PREFIX,
    Network,
    bounds,
    network_of,
    packed,
    parse_address,
)
from app.ports.identity.login_log import LoginLog

_FAILED: Final = "outcome IN ('failed', 'pending')"
_HAS_REASON: Final = "fail_reason IS NOT NULL"
_MAPPED: Final = bounds(IPv4Network("0.0.0.0/0"))  # where addresses of IPv4 are packed


class LoginAttemptRow(Base):
    """An attempt to log in. References no user: the log outlives them, and takes strangers in.

    On Postgres every month is a partition, so that an old one is dropped as a whole. Each index
    ends in the order of pages, so that any page of any single filter is read off one of them.
    """

    __tablename__ = "login_attempts"

    at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    username: Mapped[str] = mapped_column(String(storage.USERNAME))
    username_key: Mapped[str] = mapped_column(code_text(storage.USERNAME))
    user_id: Mapped[UUID | None] = mapped_column(Uuid)
    ip: Mapped[str | None] = mapped_column(code_text(storage.IP))
    network: Mapped[str | None] = mapped_column(code_text(storage.NETWORK))
    address: Mapped[bytes | None] = mapped_column(LargeBinary(16))
    user_agent: Mapped[str | None] = mapped_column(String(storage.USER_AGENT))
    device_type: Mapped[str] = mapped_column(String(8))
    os: Mapped[str | None] = mapped_column(String(storage.OS))
    client: Mapped[str | None] = mapped_column(String(storage.CLIENT))
    request_id: Mapped[str | None] = mapped_column(String(storage.REQUEST_ID))
    outcome: Mapped[str] = mapped_column(String(16))
    fail_reason: Mapped[str | None] = mapped_column(String(32))
    session_id: Mapped[UUID | None] = mapped_column(Uuid)
    duration_ms: Mapped[int | None] = mapped_column(BigInteger)
    new_network: Mapped[bool | None]
    new_client: Mapped[bool | None]

    __table_args__ = (
        Index("ix_login_attempts_user_id", "user_id", "at", "id"),
        Index("ix_login_attempts_username_key", "username_key", "at", "id"),
        Index("ix_login_attempts_network", "network", "at", "id"),
        Index("ix_login_attempts_outcome", "outcome", "at", "id"),
        Index(
            "ix_login_attempts_failed",
            "at",
            "id",
            sqlite_where=text(_FAILED),
            postgresql_where=text(_FAILED),
        ),
        Index(
            "ix_login_attempts_fail_reason",
            "fail_reason",
            "at",
            "id",
            sqlite_where=text(_HAS_REASON),
            postgresql_where=text(_HAS_REASON),
        ),
        # A thousandth of the primary key's size: for what runs through months.
        Index("ix_login_attempts_brin", "at", postgresql_using="brin").ddl_if(dialect="postgresql"),
        {"postgresql_partition_by": "RANGE (at)"},
    )


_LOG: Final = LoginAttemptRow.table()
_APPEND: Final = insert(_LOG)
_END: Final = ("outcome", "fail_reason", "session_id", "duration_ms", "new_network", "new_client")
"""What is known of an attempt once it has ended."""
_IS_PENDING: Final = _LOG.c.outcome == Outcome.PENDING.value
_SETTLE_ON_SQLITE: Final = (
    update(_LOG)
    .where(_LOG.c.at == bindparam("its_at"), _LOG.c.id == bindparam("its_id"), _IS_PENDING)
    .values({name: bindparam(f"its_{name}") for name in _END})
)
_ENDS: Final = unnested(
    "ends", **{f"its_{name}": _LOG.c[name].type for name in ("at", "id", *_END)}
)
_SETTLE_ON_POSTGRES: Final = (
    update(_LOG)
    .where(_LOG.c.at == _ENDS.c.its_at, _LOG.c.id == _ENDS.c.its_id, _IS_PENDING)
    # This says no more, but whatever the plan is, it looks at their months and their time alone.
    .where(_LOG.c.at.between(bindparam("first"), bindparam("last")))
    .values({name: _ENDS.c[f"its_{name}"] for name in _END})
)


class SqlLoginLog(LoginLog):
    """The login log of a database."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    async def append(self, *, attempts: Collection[LoginAttempt]) -> None:
        """INSERT, in one round trip."""
        with self._transaction.refusing():
            for attempt in attempts:
                storage.check_attempt(attempt)
        if attempts:
            await self._transaction.execute(_APPEND, [_values(each) for each in attempts])

    async def settle(self, *, attempts: Collection[LoginAttempt]) -> None:
        """UPDATE by primary keys, where they are pending still."""
        self._transaction.check()
        if not attempts:
            return
        ends = [_end(attempt) for attempt in attempts]
        if self._transaction.is_sqlite:
            settled = await self._transaction.execute(_SETTLE_ON_SQLITE, ends)
        else:
            columns = {name: [end[name] for end in ends] for name in ends[0]}
            bounds_of_time = {"first": min(columns["its_at"]), "last": max(columns["its_at"])}
            settled = await self._transaction.execute(_SETTLE_ON_POSTGRES, columns | bounds_of_time)
        with self._transaction.refusing():
            if settled.rowcount != len(attempts):
                raise AttemptNotPending("An attempt is not pending.")

    async def page(
        self, *, matching: LoginLogFilter, before: LoginLogPosition | None, limit: int
    ) -> list[LoginAttempt]:
        """SELECT older than a place in the log."""
        with self._transaction.refusing():
            storage.check_filter(matching)
        row = LoginAttemptRow
        query = select(row).order_by(row.at.desc(), row.id.desc()).limit(limit)
        query = query.where(*_conditions(matching))
        if before is not None:
            place = tuple_(before.at, before.id, types=[row.at.type, row.id.type])
            # The first says no more than the second, but partitions are passed over by it alone.
            query = query.where(row.at <= before.at, tuple_(row.at, row.id) < place)
        rows = (await self._transaction.execute(query)).scalars()
        return [_attempt_of(found) for found in rows]


def _conditions(matching: LoginLogFilter) -> list[ColumnElement[bool] | TextClause]:
    row = LoginAttemptRow
    wanted = {
        row.user_id: matching.user_id,
        row.username_key: matching.username_key,
        row.fail_reason: matching.fail_reason and matching.fail_reason.value,
    }
    conditions: list[ColumnElement[bool] | TextClause] = [
        column == value for column, value in wanted.items() if value is not None
    ]
    if matching.outcomes == FAILURES:
        # Written out, not bound: that is how a partial index is found to fit.
        conditions.append(text(f"login_attempts.{_FAILED}"))
    elif matching.outcome is not None:
        conditions.append(row.outcome == matching.outcome.value)
    if matching.network is not None:
        conditions += _within(matching.network)
    if matching.since is not None:
        conditions.append(row.at >= matching.since)
    if matching.until is not None:
        conditions.append(row.at < matching.until)
    return conditions


def _within(network: Network) -> list[ColumnElement[bool]]:
    """Look in the one client network where there is one, which has an index."""
    row = LoginAttemptRow
    is_6 = isinstance(network, IPv6Network)
    widest = CLIENT_PREFIX if is_6 else network.max_prefixlen
    conditions = []
    if network.prefixlen >= widest:
        conditions.append(row.network == network_of(network.network_address))
    if network.prefixlen != widest:
        low, high = bounds(network)
        conditions.append(row.address.between(low, high))
        if is_6 and low <= _MAPPED[0] <= high:
            conditions.append(~row.address.between(*_MAPPED))
    return conditions


def _values(attempt: LoginAttempt) -> dict[str, Any]:
    address = parse_address(attempt.ip)
    return {
        "id": attempt.id,
        "at": attempt.at,
        "username": attempt.username,
        "username_key": attempt.username_key,
        "user_id": attempt.user_id,
        "ip": attempt.ip,
        "network": attempt.network,
        "address": None if address is None else packed(address),
        "user_agent": attempt.user_agent,
        "device_type": attempt.device_type.value,
        "os": attempt.os,
        "client": attempt.client,
        "request_id": attempt.request_id,
        "outcome": attempt.outcome.value,
        "fail_reason": attempt.fail_reason and attempt.fail_reason.value,
        "session_id": attempt.session_id,
        "duration_ms": attempt.duration_ms,
        "new_network": attempt.new_network,
        "new_client": attempt.new_client,
    }


def _end(attempt: LoginAttempt) -> dict[str, Any]:
    return {
        "its_at": attempt.at,
        "its_id": attempt.id,
        "its_outcome": attempt.outcome.value,
        "its_fail_reason": attempt.fail_reason and attempt.fail_reason.value,
        "its_session_id": attempt.session_id,
        "its_duration_ms": attempt.duration_ms,
        "its_new_network": attempt.new_network,
        "its_new_client": attempt.new_client,
    }


def _attempt_of(row: LoginAttemptRow) -> LoginAttempt:
    return LoginAttempt(
        id=row.id,
        at=row.at,
        username=row.username,
        username_key=row.username_key,
        user_id=row.user_id,
        ip=row.ip,
        user_agent=row.user_agent,
        request_id=row.request_id,
        outcome=Outcome(row.outcome),
        fail_reason=None if row.fail_reason is None else FailReason(row.fail_reason),
        session_id=row.session_id,
        duration_ms=row.duration_ms,
        device_type=DeviceType(row.device_type),
        os=row.os,
        client=row.client,
        new_network=row.new_network,
        new_client=row.new_client,
    )
