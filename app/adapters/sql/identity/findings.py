from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from app.adapters.sql.identity.login_log import LoginAttemptRow
from app.adapters.sql.unit_of_work import SqlTransaction
from app.domain.identity.findings import Finding, FindingKind
from app.domain.identity.login_log import FailReason, Outcome
from app.ports.identity.findings import LoginFindings

_Query: TypeAlias = Select[*tuple[Any, ...]]
_Row = LoginAttemptRow
_SUCCEEDED = _Row.outcome == Outcome.SUCCESS.value
_FAILED = and_(
    _Row.outcome != Outcome.SUCCESS.value,
    or_(_Row.fail_reason.is_(None), _Row.fail_reason != FailReason.MFA_REQUIRED.value),
)


class SqlLoginFindings(LoginFindings):
    """The findings in a database: each one query over the window, which the primary key serves."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction

    async def find(
        self, *, kind: FindingKind, since: datetime, until: datetime, least: int, limit: int
    ) -> list[Finding]:
        """SELECT … GROUP BY … HAVING."""
        window = _Row.at.between(since, until)
        match kind:
            case FindingKind.MANY_FAILURES | FindingKind.SPRAY:
                query = _of_networks(kind, window, least)
            case FindingKind.MANY_NETWORKS:
                query = _many_networks(window, least)
            case FindingKind.SUCCESS_AFTER_FAILURES:
                query = _after_failures(window, least)
            case FindingKind.NEW_NETWORK | FindingKind.NEW_CLIENT:
                query = _news(kind, window)
        rows = (await self._transaction.execute(query.limit(limit))).mappings()
        return [Finding(kind, **row) for row in rows]


def _of_networks(kind: FindingKind, window: ColumnElement[bool], least: int) -> _Query:
    failures = func.count()
    users = func.count(_Row.username_key.distinct())
    number = failures if kind is FindingKind.MANY_FAILURES else users
    return (
        select(
            _Row.network,
            func.max(_Row.at).label("at"),
            failures.label("failures"),
            users.label("users"),
        )
        .where(window, _FAILED, _Row.network.is_not(None))
        .group_by(_Row.network)
        .having(number >= least)
        .order_by(number.desc(), _Row.network)
    )


def _many_networks(window: ColumnElement[bool], least: int) -> _Query:
    networks = func.count(_Row.network.distinct())
    return (
        select(
            _Row.user_id,
            func.max(_Row.at).label("at"),
            func.max(_Row.username_key).label("username"),
            networks.label("networks"),
        )
        .where(window, _Row.user_id.is_not(None))
        .group_by(_Row.user_id)
        .having(networks >= least)
        .order_by(networks.desc(), _Row.user_id)
    )


def _after_failures(window: ColumnElement[bool], least: int) -> _Query:
    last = (
        select(_Row.user_id, func.max(_Row.at).label("at"))
        .where(window, _SUCCEEDED, _Row.user_id.is_not(None))
        .group_by(_Row.user_id)
        .subquery()
    )
    failures = func.count()
    return (
        select(
            _Row.user_id,
            last.c.at,
            func.max(_Row.username_key).label("username"),
            failures.label("failures"),
        )
        .join(last, last.c.user_id == _Row.user_id)
        .where(window, _FAILED, _Row.at < last.c.at)
        .group_by(_Row.user_id, last.c.at)
        .having(failures >= least)
        .order_by(failures.desc(), _Row.user_id)
    )


def _news(kind: FindingKind, window: ColumnElement[bool]) -> _Query:
    is_news = _Row.new_network if kind is FindingKind.NEW_NETWORK else _Row.new_client
    return (
        select(
            _Row.at,
            _Row.network,
            _Row.user_id,
            _Row.username_key.label("username"),
            _Row.client,
        )
        .where(window, is_news.is_(True))
        .order_by(_Row.at.desc(), _Row.id.desc())
    )
