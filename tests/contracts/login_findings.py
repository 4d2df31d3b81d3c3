from datetime import datetime, timedelta
from typing import ClassVar

from app.domain.identity.findings import Finding, FindingKind
from app.domain.identity.login_log import FailReason, LoginAttempt, Outcome
from app.ports.identity.findings import LoginFindings
from app.ports.identity.work import IdentityWork
from tests.builders import an_attempt, at, new_id

ONE, OTHER = new_id(), new_id()
FAILED, SUCCESS = Outcome.FAILED, Outcome.SUCCESS
MOMENT = timedelta(microseconds=1)
START, END = at(0), at(60)


async def keep(work: IdentityWork, *attempts: LoginAttempt) -> None:
    async with work() as uow:
        for attempt in attempts:
            await uow.login_log.append(attempts=[attempt])
        await uow.commit()


async def find(  # noqa: PLR0913 - the parameters of the port
    work: IdentityWork,
    kind: FindingKind,
    *,
    least: int = 1,
    limit: int = 100,
    since: datetime = START,
    until: datetime = END,
) -> list[Finding]:
    async with work() as uow:
        return await uow.findings.find(
            kind=kind, since=since, until=until, least=least, limit=limit
        )


class LoginFindingsContract:
    port: ClassVar[type] = LoginFindings
    adapter: ClassVar[type]

    async def test_what_is_tested_is_the_adapter_that_is_named(self, work: IdentityWork) -> None:
        async with work() as uow:
            assert type(uow.findings) is self.adapter

    async def test_in_an_empty_log_nothing_is_found(self, work: IdentityWork) -> None:
        for kind in FindingKind:
            assert await find(work, kind, least=0) == []

    async def test_networks_are_found_by_how_often_they_failed(self, work: IdentityWork) -> None:
        await keep(
            work,
            *(an_attempt(at=at(minute), ip="2001:db8::1", outcome=FAILED) for minute in (1, 3)),
            an_attempt(at=at(2), ip="2001:db8::2", outcome=FAILED, username="other"),
            an_attempt(at=at(4), ip="192.0.2.1", outcome=FAILED),
            an_attempt(at=at(5), ip=None, outcome=FAILED),
            an_attempt(at=at(6), ip="192.0.2.1", outcome=SUCCESS),
        )
        kind = FindingKind.MANY_FAILURES
        many = Finding(kind, at(3), network="2001:db8::/64", failures=3, users=2)
        one = Finding(kind, at(4), network="192.0.2.1", failures=1, users=1)
        assert await find(work, kind) == [many, one]
        assert await find(work, kind, least=2) == [many]
        assert await find(work, kind, limit=1) == [many]
        assert await find(work, kind, least=4) == []

    async def test_whoever_is_asked_for_a_second_factor_has_not_failed_but_who_is_pending_has(
        self, work: IdentityWork
    ) -> None:
        throttled = Outcome.THROTTLED
        await keep(
            work,
            an_attempt(ip="192.0.2.1", outcome=FAILED, fail_reason=FailReason.MFA_REQUIRED),
            an_attempt(ip="192.0.2.2", outcome=Outcome.PENDING),
            an_attempt(ip="192.0.2.3", outcome=FAILED, fail_reason=FailReason.MFA_FAILED),
            an_attempt(ip="192.0.2.4", outcome=throttled, fail_reason=FailReason.THROTTLED_USER),
        )
        found = await find(work, FindingKind.MANY_FAILURES)
        assert [one.network for one in found] == ["192.0.2.2", "192.0.2.3", "192.0.2.4"]

    async def test_a_spray_is_found_by_how_many_users_were_tried(self, work: IdentityWork) -> None:
        await keep(
            work,
            *(an_attempt(ip="192.0.2.1", outcome=FAILED, username="a") for _ in range(5)),
            *(an_attempt(ip="192.0.2.2", outcome=FAILED, username=name) for name in "abc"),
            an_attempt(ip="192.0.2.1", outcome=SUCCESS, username="d"),
        )
        spray = Finding(FindingKind.SPRAY, at(0), network="192.0.2.2", failures=3, users=3)
        assert await find(work, FindingKind.SPRAY, least=2) == [spray]
        assert [one.users for one in await find(work, FindingKind.SPRAY)] == [3, 1]

    async def test_users_are_found_by_how_many_networks_they_came_from(
        self, work: IdentityWork
    ) -> None:
        ips = ("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", None)
        await keep(
            work,
            *(an_attempt(at=at(1), user_id=ONE, ip=ip, outcome=SUCCESS) for ip in ips),
            *(an_attempt(user_id=OTHER, ip=ip, username="b", outcome=FAILED) for ip in ips[:2]),
            *(an_attempt(user_id=None, ip=ip) for ip in ips),
            an_attempt(user_id=OTHER, ip=None, username="a"),
        )
        kind = FindingKind.MANY_NETWORKS
        one = Finding(kind, at(1), user_id=ONE, username="trader", networks=3)
        other = Finding(kind, at(0), user_id=OTHER, username="b", networks=2)
        assert await find(work, kind) == [one, other]
        assert await find(work, kind, least=3) == [one]

    async def test_a_success_is_found_by_the_failures_before_it(self, work: IdentityWork) -> None:
        await keep(
            work,
            *(an_attempt(at=at(m), user_id=ONE, outcome=FAILED) for m in (1, 2, 5, 9)),
            *(an_attempt(at=at(m), user_id=ONE, outcome=SUCCESS) for m in (3, 5)),
            *(an_attempt(at=at(m), user_id=OTHER, outcome=FAILED) for m in (1, 2)),
            *(an_attempt(at=at(m), user_id=None, outcome=FAILED) for m in (1, 2)),
            an_attempt(at=at(3), user_id=None, outcome=SUCCESS),
        )
        kind = FindingKind.SUCCESS_AFTER_FAILURES
        found = Finding(kind, at(5), user_id=ONE, username="trader", failures=2)
        for least, expected in ((1, [found]), (2, [found]), (3, [])):
            assert await find(work, kind, least=least) == expected

    async def test_the_first_from_a_network_and_with_a_client_are_found(
        self, work: IdentityWork
    ) -> None:
        news = (
            (1, True, False),
            (2, False, True),
            (3, True, True),
            (3, True, None),
            (4, None, None),
        )
        await keep(
            work,
            *(
                an_attempt(
                    at=at(minute),
                    user_id=ONE,
                    ip="192.0.2.1",
                    client="ccxt 4.2",
                    outcome=SUCCESS,
                    new_network=new_network,
                    new_client=new_client,
                )
                for minute, new_network, new_client in news
            ),
        )
        for kind, minutes in (
            (FindingKind.NEW_NETWORK, [3, 3, 1]),
            (FindingKind.NEW_CLIENT, [3, 2]),
        ):
            first = Finding(
                kind,
                at(3),
                network="192.0.2.1",
                user_id=ONE,
                username="trader",
                client="ccxt 4.2",
            )
            found = await find(work, kind, least=9)
            assert (found[0], [one.at for one in found]) == (first, [at(m) for m in minutes])
            assert len(await find(work, kind, limit=1)) == 1

    async def test_of_equal_numbers_the_lesser_network_or_user_comes_first(
        self, work: IdentityWork
    ) -> None:
        networks = ["192.0.2.10", "192.0.2.9", "2001:db8::/64"]
        users = sorted(new_id() for _ in networks)
        for network, user in zip(networks[::-1], users[::-1], strict=True):
            ip = network.removesuffix("/64")
            await keep(
                work,
                an_attempt(at=at(0), ip=ip, user_id=user, outcome=FAILED),
                an_attempt(at=at(1), ip=ip, user_id=user, outcome=SUCCESS),
            )
        for kind in (FindingKind.MANY_FAILURES, FindingKind.SPRAY):
            assert [one.network for one in await find(work, kind)] == networks
        for kind in (FindingKind.MANY_NETWORKS, FindingKind.SUCCESS_AFTER_FAILURES):
            assert [one.user_id for one in await find(work, kind)] == users

    async def test_the_window_includes_both_of_its_ends(self, work: IdentityWork) -> None:
        instants = [START - MOMENT, START, END, END + MOMENT]
        await keep(work, *(an_attempt(at=one, ip="192.0.2.1", outcome=FAILED) for one in instants))
        [found] = await find(work, FindingKind.MANY_FAILURES)
        assert (found.failures, found.at) == (2, END)
