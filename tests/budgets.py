"""What every use case may cost: statements, commits and rollbacks, exactly."""

import json
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final
from uuid import UUID

from app.domain.errors import TickgateError
from app.domain.identity.api_keys import KeyParts, write_api_key
from app.domain.identity.errors import (
    ImportRefused,
    InvalidToken,
    LastAdmin,
    RefreshInProgress,
    UnknownApiKey,
    UnknownSession,
    UsernameTaken,
)
from app.domain.identity.login_log import LoginLogFilter, LoginLogPosition
from app.domain.identity.sessions import REFRESH_GRACE
from app.domain.principal import Role
from app.domain.range_units.errors import (
    RevisionInForce,
    SyncInProgress,
    UnknownExchange,
    UnknownMarket,
)
from app.domain.range_units.jobs import Job
from app.domain.range_units.revisions import Market
from app.services.range_units.current_revisions import FRESH
from tests.application import PASSWORD, FakedApplication
from tests.builders import a_market, an_exchange, new_id
from tests.feeds import ticks_of_upbit
from tests.use_cases import (
    BTC,
    CLIENT,
    COARSE,
    ETH,
    FINE,
    SOURCE,
    USE_CASES,
    Call,
    a_redemption,
    a_refresh,
    a_registration,
    a_sync_that_is_due,
    a_sync_to_start,
    an_import,
    enrolled,
    in_a_session,
    issued,
    log_in,
    registered,
)


@dataclass(frozen=True)
class Budget:
    """What a use case costs in one situation.

    `on_postgres` is the number of statements there, where it is another: quotas are held by a
    lock, which SQLite has in its one writer, and the login log is kept by months.
    `rollbacks` are units of work that were left after they had written, or held, something, and
    `readings` those that were left otherwise: a database sees a rollback in either.
    """

    name: str
    prepare: Callable[[FakedApplication], Awaitable[Call]]
    statements: int
    commits: int = 0
    rollbacks: int = 0
    readings: int = 0
    refusal: type[TickgateError] | None = None
    on_postgres: int | None = None

    def __str__(self) -> str:
        """Name it in a test's name."""
        return self.name


def of_writing(
    name: str,
    *,
    statements: int,
    commits: int = 1,
    readings: int = 0,
    on_postgres: int | None = None,
) -> Budget:
    """Give the budget of a use case that is described already."""
    [found] = [use_case for use_case in USE_CASES if use_case.name == name]
    return Budget(
        name,
        found.prepare,
        statements,
        commits,
        readings=readings,
        refusal=found.refusal,
        on_postgres=on_postgres,
    )


async def a_login_after_others(application: FakedApplication) -> Call:
    await registered(application)
    for _ in range(10):
        await log_in(application)
    return partial(log_in, application)


async def a_token_to_check(application: FakedApplication) -> Call:
    await registered(application)
    login = await log_in(application)
    return partial(application.auth.authenticate_token, token=login.access_token)


async def an_unknown_token(application: FakedApplication) -> Call:
    return partial(application.auth.refresh, refresh_token="unknown", client=CLIENT)


async def a_refresh_at_once_again(application: FakedApplication) -> Call:
    refresh = await a_refresh(application)
    await refresh()
    return refresh


async def a_taken_name(application: FakedApplication) -> Call:
    register = await a_registration(application)
    await register()
    return register


async def a_second_import(application: FakedApplication) -> Call:
    imported = await an_import(application)
    await imported()
    return imported


async def a_second_start(application: FakedApplication) -> Call:
    await registered(application)
    return application.users.create_first_admin


async def a_page_of_users(application: FakedApplication) -> Call:
    await registered(application)
    return partial(application.users.list_users, limit=50)


async def a_page_of_sessions(application: FakedApplication) -> Call:
    await registered(application)
    principal = await in_a_session(application)
    return partial(application.sessions.list_sessions, principal=principal, limit=50)


async def an_unknown_session(application: FakedApplication) -> Call:
    await registered(application)
    principal = await in_a_session(application)
    return partial(
        application.sessions.end_session, principal=principal, session_id=principal.user_id
    )


async def the_last_admin(application: FakedApplication) -> Call:
    admin = await application.users.create_user(username="boss", password=PASSWORD, role=Role.ADMIN)
    return partial(application.users.set_disabled, user_id=admin.id, disabled=True)


async def a_user_by_id(application: FakedApplication) -> Call:
    user = await registered(application)
    return partial(application.users.get_user_by_id, user_id=user.id)


async def an_api_key_to_check(application: FakedApplication) -> Call:
    key = (await issued(application)).text
    return partial(application.api_keys.authenticate, key=key, ip=CLIENT.ip)


async def a_key_of_nobody(application: FakedApplication) -> Call:
    secret = (await issued(application)).text[25:68]
    key = write_api_key(KeyParts(new_id(), secret))
    return partial(application.api_keys.authenticate, key=key, ip=None)


async def a_misspelt_key(application: FakedApplication) -> Call:
    key = (await issued(application)).text
    misspelt = key.swapcase()
    return partial(application.api_keys.authenticate, key=misspelt, ip=None)


async def a_page_of_api_keys(application: FakedApplication) -> Call:
    user_id = (await issued(application)).api_key.user_id
    return partial(application.api_keys.list_keys, owner=user_id)


async def a_rotation_of_anothers_key(application: FakedApplication) -> Call:
    key_id = (await issued(application)).api_key.id
    return partial(application.api_keys.rotate, key_id=key_id, owner=new_id())


async def a_status_of_a_second_factor(application: FakedApplication) -> Call:
    principal, _, _ = await enrolled(application)
    return partial(application.second_factor.status, principal=principal)


async def a_page_of_the_log(application: FakedApplication, *, depth: int) -> Call:
    await registered(application)
    for _ in range(5):
        await log_in(application)
    search = partial(application.login_log.search, matching=LoginLogFilter())
    passed = await search(limit=depth)
    before = LoginLogPosition(passed[-1].at, passed[-1].id) if passed else None
    return partial(search, before=before, limit=2)


async def a_look_for_findings(application: FakedApplication) -> Call:
    return partial(application.login_log.findings, window=timedelta(minutes=15))


def reply(bands: int, *, unit: float = 1) -> bytes:
    """Give a reply of Coinone with that many bands."""
    return json.dumps(
        {
            "result": "success",
            "error_code": "0",
            "range_price_units": [
                {"range_min": low, "next_range_min": low + 1, "price_unit": unit}
                for low in range(bands)
            ],
        }
    ).encode()


async def an_ingest(
    application: FakedApplication, *, bands: int, units: tuple[float, ...]
) -> Callable[..., Coroutine[Any, Any, object]]:
    """Give the ingest of a reply with the last of the units, after those with the others."""
    await application.range_units.put_exchange(exchange=an_exchange())
    ingest = partial(application.range_units.ingest, market=BTC, source=SOURCE)
    *earlier, last = units
    for unit in earlier:
        await ingest(payload=reply(bands, unit=unit))
        application.clock.advance(REFRESH_GRACE)
    return partial(ingest, payload=reply(bands, unit=last))


async def a_late_reply(application: FakedApplication) -> Call:
    """Give the ingest of a reply of other content from before the last confirmation."""
    call = await an_ingest(application, bands=100, units=(1, 1, 0.5))
    observed_at = application.clock.now() - REFRESH_GRACE - timedelta(seconds=1)
    return partial(call, observed_at=observed_at)


async def a_reply_to_compare(application: FakedApplication) -> Call:
    """Give the ingest of the tick sizes of many markets, which one ladder answers for."""
    await application.range_units.put_exchange(exchange=an_exchange(code="upbit"))
    ladder = Market("upbit", "KRW", "*")
    await application.range_units.put_range_units(market=ladder, table=FINE, source=SOURCE)
    reply = ticks_of_upbit(**{f"KRW_{number}": "2" for number in range(100)})
    return partial(
        application.range_units.ingest,
        market=reply.market,
        payload=reply.payload,
        source=SOURCE,
    )


async def range_units(application: FakedApplication, *, target: str = "BTC") -> None:
    await application.range_units.put_exchange(exchange=an_exchange())
    await application.range_units.put_range_units(
        market=a_market(target=target), table=FINE, source=SOURCE
    )


async def reading_range_units(application: FakedApplication, *, target: str = "BTC") -> Call:
    await range_units(application, target=target)
    return partial(application.range_units.current, market=BTC)


async def range_units_that_are_kept(application: FakedApplication) -> Call:
    call = await reading_range_units(application)
    await call()
    return call


async def range_units_of_a_second_ago(application: FakedApplication) -> Call:
    call = await range_units_that_are_kept(application)
    application.clock.advance(FRESH)
    return call


async def an_unknown_market(application: FakedApplication) -> Call:
    await range_units(application)
    return partial(application.range_units.current, market=ETH)


async def a_page_of_the_history(application: FakedApplication) -> Call:
    await range_units(application)
    return partial(application.history.history, market=BTC, limit=50)


async def two_revisions(application: FakedApplication) -> UUID:
    """State FINE, then COARSE, and give the second revision."""
    await range_units(application)
    application.clock.advance(REFRESH_GRACE)
    units, _ = await application.range_units.put_range_units(
        market=BTC, table=COARSE, source=SOURCE
    )
    return units.revision.id


async def a_revision_by_its_id(application: FakedApplication) -> Call:
    return partial(application.history.revision, revision_id=await two_revisions(application))


async def a_difference(application: FakedApplication) -> Call:
    last = await two_revisions(application)
    return partial(application.history.diff, market=BTC, before=last, after=last)


async def a_late_withdrawal(application: FakedApplication) -> Call:
    last = await two_revisions(application)
    return partial(application.history.withdraw, market=BTC, revision_id=last)


async def observed_prices(application: FakedApplication) -> Call:
    await two_revisions(application)
    asked = [Decimal(price) / 10 for price in range(1, 1001)]
    return partial(application.prices.explain, market=BTC, prices=asked)


async def prices(application: FakedApplication, *, count: int) -> Call:
    await range_units(application)
    asked = [Decimal(price) for price in range(1, count + 1)]
    return partial(application.prices.check, market=BTC, prices=asked)


async def a_page_of_exchanges(application: FakedApplication) -> Call:
    await range_units(application)
    return partial(application.range_units.list_exchanges, limit=50)


async def a_page_of_markets(application: FakedApplication) -> Call:
    await range_units(application)
    return partial(application.range_units.list_markets, exchange="coinone", limit=50)


async def another_table_for_a_start_that_has_come(application: FakedApplication) -> Call:
    await range_units(application)
    return partial(
        application.range_units.put_range_units,
        market=BTC,
        table=COARSE,
        source=SOURCE,
        effective_from=application.clock.now(),
    )


async def a_reply_for_nobody(application: FakedApplication) -> Call:
    return partial(application.range_units.ingest, market=BTC, payload=reply(1), source=SOURCE)


async def ladders_that_are_there(application: FakedApplication) -> Call:
    await range_units(application)
    return partial(application.range_units.load_ladders, exchanges=[an_exchange()], observations=[])


async def a_page_of_changes(application: FakedApplication, *, exchange: str | None = None) -> Call:
    await range_units(application)
    return partial(application.changes.changes, since=0, exchange=exchange, limit=50)


async def the_latest_position(application: FakedApplication) -> Call:
    await range_units(application)
    return application.changes.latest


async def a_look_at_the_feed(application: FakedApplication) -> Call:
    """Give the look that wakes everyone: two, where it is the first for somebody."""
    await range_units(application)

    async def look() -> None:
        with application.feed.follower():
            await application.feed.look()

    return look


async def a_second_sync(application: FakedApplication) -> Call:
    start = await a_sync_to_start(application)
    await start()
    return start


async def a_sync_that_is_not_due(application: FakedApplication) -> Call:
    start = await a_sync_that_is_due(application)
    job = await start()
    assert isinstance(job, Job)
    await application.sync.cancel(job_id=job.id)
    return start


async def a_job_to_watch(application: FakedApplication) -> Call:
    await range_units(application)
    job = await application.sync.start(exchange="coinone", requested_by="trader")
    return partial(application.sync.job, job_id=job.id)


async def a_page_of_jobs(application: FakedApplication) -> Call:
    await a_job_to_watch(application)
    return partial(application.sync.list_jobs, limit=50)


async def the_standings(application: FakedApplication) -> Call:
    await a_job_to_watch(application)
    return application.overview.standings


async def a_page_of_rejected_payloads(application: FakedApplication) -> Call:
    await range_units(application)
    return partial(application.quarantine.list_entries, exchange="coinone", limit=50)


INGESTS: Final = tuple(
    Budget(
        f"{kind} ingest of {bands} bands",
        partial(an_ingest, bands=bands, units=units),
        statements,
        commits=1,
        readings=1,
    )
    for bands in (1, 100, 10_000)
    for kind, units, statements in (
        ("first", (1,), 8),
        ("confirming", (1, 1), 6),
        ("replacing", (1, 0.5), 8),
    )
)

BUDGETS: Final = (
    of_writing("login", statements=11, on_postgres=12, commits=2),
    of_writing("login with an old hash", statements=12, on_postgres=13, commits=2),
    of_writing("login with a wrong password", statements=7, on_postgres=8, commits=2),
    of_writing("login of nobody", statements=7, on_postgres=8, commits=2),
    of_writing("login that is throttled", statements=5, on_postgres=6),
    of_writing("refused attempt", statements=1),
    of_writing("refresh", statements=6),
    of_writing("refresh with a stolen token", statements=5),
    of_writing("logout", statements=1),
    of_writing("registration", statements=1),
    of_writing("first start", statements=2, readings=1),
    of_writing("change of password", statements=9, on_postgres=10, commits=3, readings=1),
    of_writing("new password", statements=5, readings=1),
    of_writing("reset", statements=2),
    Budget("redemption", a_redemption, 10, on_postgres=11, commits=1, rollbacks=1),
    of_writing("redemption with a wrong code", statements=7, on_postgres=8),
    of_writing("redemption of nobody", statements=7, on_postgres=9),
    of_writing("import of one", statements=1),
    *(
        Budget(f"import of {users} users", partial(an_import, users=users), 2, commits=1)
        for users in (1, 1000)
    ),
    of_writing("import", statements=2),
    Budget("import of a taken name", a_second_import, 1, readings=1, refusal=ImportRefused),
    of_writing("API key", statements=3),
    of_writing("use of an API key", statements=1),
    of_writing("rotation", statements=5),
    of_writing("revocation", statements=2),
    of_writing("disabling", statements=4),
    of_writing("demotion", statements=3),
    of_writing("end of a session", statements=2),
    of_writing("end of other sessions", statements=1),
    of_writing("end of all sessions of a user", statements=2),
    of_writing("login that lacks a code", statements=10, on_postgres=11, commits=2),
    of_writing("login with a code", statements=13, on_postgres=14),
    of_writing("login with a recovery code", statements=13, on_postgres=14),
    of_writing("login with a wrong code", statements=9, on_postgres=10),
    of_writing("login with an unknown challenge", statements=2),
    of_writing("enrolment", statements=6, on_postgres=7, commits=3),
    of_writing("confirmation", statements=8),
    of_writing("new recovery codes", statements=12, on_postgres=14, commits=3),
    of_writing("removal of a second factor", statements=14, on_postgres=16, commits=3),
    of_writing("lost device", statements=5),
    of_writing("demand of a second factor", statements=2),
    Budget("status of a second factor", a_status_of_a_second_factor, 3, readings=1),
    of_writing("upkeep of the login log", statements=3, commits=3, on_postgres=5),
    of_writing("pruning of the login log", statements=2, on_postgres=3),
    of_writing("exchange", statements=1),
    of_writing("first reply", statements=8, readings=1),
    of_writing("reply that replaces", statements=9, readings=1),
    of_writing("reply that confirms", statements=6, readings=1),
    of_writing("statement", statements=8),
    of_writing("amendment", statements=9),
    of_writing("date brought forward", statements=9),
    of_writing("withdrawal", statements=6),
    of_writing("statement that confirms", statements=5),
    of_writing("bundled ladders", statements=8),
    of_writing("reply that is rejected", statements=3, readings=1),
    of_writing("sync", statements=3),
    of_writing("sync that is due", statements=6),
    of_writing("sync in place of an orphan", statements=4),
    of_writing("cancel of a sync", statements=2),
    of_writing("resumption of a sync", statements=5, readings=1),
    Budget("second sync", a_second_sync, 2, rollbacks=1, refusal=SyncInProgress),
    Budget("sync that is not due", a_sync_that_is_not_due, 3, rollbacks=1),
    Budget("job", a_job_to_watch, 4, readings=1),
    Budget("page of jobs", a_page_of_jobs, 2, readings=1),
    Budget("page of rejected payloads", a_page_of_rejected_payloads, 2, readings=1),
    Budget("standings of the exchanges", the_standings, 1, readings=1),
    *INGESTS,
    Budget("late reply", a_late_reply, 4, commits=1, readings=1),
    Budget("reply that is only compared", a_reply_to_compare, 4, commits=1, readings=2),
    Budget("login after others", a_login_after_others, 11, on_postgres=12, commits=2),
    Budget("refresh with an unknown token", an_unknown_token, 1, rollbacks=1, refusal=InvalidToken),
    Budget(
        "refresh at once again",
        a_refresh_at_once_again,
        3,
        rollbacks=1,
        refusal=RefreshInProgress,
    ),
    Budget("registration of a taken name", a_taken_name, 1, rollbacks=1, refusal=UsernameTaken),
    Budget("second start", a_second_start, 1, readings=1),
    Budget("token check", a_token_to_check, 2, readings=1),
    Budget("API key check", an_api_key_to_check, 1, readings=1),
    Budget("API key of nobody", a_key_of_nobody, 1, readings=1, refusal=InvalidToken),
    Budget("misspelt API key", a_misspelt_key, 0, refusal=InvalidToken),
    Budget("page of API keys", a_page_of_api_keys, 1, readings=1),
    Budget(
        "rotation of another's API key",
        a_rotation_of_anothers_key,
        1,
        rollbacks=1,
        refusal=UnknownApiKey,
    ),
    Budget("page of sessions", a_page_of_sessions, 1, readings=1),
    Budget("end of an unknown session", an_unknown_session, 1, readings=1, refusal=UnknownSession),
    Budget("disabling the last administrator", the_last_admin, 2, rollbacks=1, refusal=LastAdmin),
    Budget("user by id", a_user_by_id, 1, readings=1),
    Budget("page of users", a_page_of_users, 1, readings=1),
    Budget("first page of the login log", partial(a_page_of_the_log, depth=0), 1, readings=1),
    Budget("deep page of the login log", partial(a_page_of_the_log, depth=3), 1, readings=1),
    Budget("findings", a_look_for_findings, 6, readings=1),
    Budget("ingest for nobody", a_reply_for_nobody, 1, readings=1, refusal=UnknownExchange),
    Budget(
        "other content for a start that has come",
        another_table_for_a_start_that_has_come,
        3,
        rollbacks=1,
        refusal=RevisionInForce,
    ),
    Budget("ladders that are there", ladders_that_are_there, 1, readings=1),
    Budget("range units", reading_range_units, 6, readings=2),
    Budget("range units of a ladder", partial(reading_range_units, target="*"), 6, readings=2),
    Budget("range units that are kept", range_units_that_are_kept, 0),
    Budget("range units that were kept a second", range_units_of_a_second_ago, 1, readings=1),
    Budget("unknown market", an_unknown_market, 5, readings=2, refusal=UnknownMarket),
    Budget("page of changes", a_page_of_changes, 2, readings=1),
    Budget(
        "page of an exchange's changes",
        partial(a_page_of_changes, exchange="coinone"),
        3,
        readings=1,
    ),
    Budget("latest position", the_latest_position, 1, readings=1),
    Budget("look at the feed", a_look_at_the_feed, 2, readings=2),
    Budget("page of the history", a_page_of_the_history, 3, readings=1),
    Budget("revision", a_revision_by_its_id, 4, readings=1),
    Budget("difference", a_difference, 4, readings=1),
    Budget(
        "withdrawal of what is in force", a_late_withdrawal, 3, rollbacks=1, refusal=RevisionInForce
    ),
    Budget("observed prices", observed_prices, 9, readings=3),
    Budget("one price", partial(prices, count=1), 6, readings=2),
    Budget("a thousand prices", partial(prices, count=1000), 6, readings=2),
    Budget("page of exchanges", a_page_of_exchanges, 1, readings=1),
    Budget("page of markets", a_page_of_markets, 2, readings=1),
)
