from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from ipaddress import ip_network
from typing import Any, ClassVar
from uuid import UUID

import pytest
from anyio import fail_after

from app.domain.errors import TickgateError, UnitOfWorkFailed, UnstorableText
from app.domain.identity import storage
from app.domain.identity.api_keys import ApiKey
from app.domain.identity.devices import DeviceType
from app.domain.identity.errors import (
    AttemptNotPending,
    EmailTaken,
    UnknownApiKey,
    UnknownUser,
    UsernameTaken,
)
from app.domain.identity.findings import FindingKind
from app.domain.identity.login_log import (
    FailReason,
    LoginAttempt,
    LoginLogFilter,
    LoginLogPosition,
    Outcome,
)
from app.domain.identity.origins import Familiarity
from app.domain.identity.second_factor import SecondFactor
from app.domain.identity.sessions import RefreshToken, Session
from app.domain.identity.throttle import Slot, Taken
from app.domain.identity.users import User
from app.domain.principal import Role
from app.ports.identity.login_log import LoginLog
from app.ports.identity.sessions import RefreshTokens, Sessions
from app.ports.identity.users import Users
from app.ports.identity.work import IdentityUnitOfWork, IdentityWork
from tests.builders import (
    a_challenge,
    a_refresh_token,
    a_second_factor,
    a_session,
    a_user,
    an_api_key,
    an_attempt,
    at,
    new_id,
)
from tests.contracts.races import PATIENCE, all_at_once, race
from tests.contracts.unit_of_work import Operation, UnitOfWorkContract
from tests.contracts.values import INSTANTS, STORABLE_TEXTS, UNSTORABLE_TEXTS

SEOUL = timezone(timedelta(hours=9))

# Over the whole width of an id, so that an order by signed numbers or by some text would show.
SPREAD_IDS = [
    UUID("00000000-0000-0000-0000-000000000001"),
    UUID("00000000-0000-0000-8000-000000000000"),
    UUID("01890000-0000-7000-8000-00000000000a"),
    UUID("01890000-0000-7000-8000-0000000000a0"),
    UUID("7fffffff-ffff-7fff-bfff-ffffffffffff"),
    UUID("80000000-0000-7000-8000-000000000000"),
    UUID("a0000000-0000-7000-8000-000000000000"),
    UUID("ffffffff-ffff-ffff-ffff-ffffffffffff"),
]


async def keep(
    work: IdentityWork, *things: User | LoginAttempt | Session | RefreshToken | ApiKey
) -> None:
    """Store things, each behind what it refers to, and commit."""
    async with work() as uow:
        for thing in things:
            match thing:
                case User():
                    await uow.users.add(user=thing)
                case LoginAttempt():
                    await uow.login_log.append(attempts=[thing])
                case Session():
                    await uow.sessions.add(session=thing)
                case RefreshToken():
                    await uow.refresh_tokens.add(token=thing)
                case ApiKey():  # pragma: no branch - there is no other kind
                    await uow.api_keys.add(api_key=thing)
        await uow.commit()


async def user_of(work: IdentityWork, user_id: UUID) -> User | None:
    async with work() as uow:
        return await uow.users.get(user_id=user_id)


async def users_of(work: IdentityWork) -> list[User]:
    async with work() as uow:
        return await uow.users.page(after=None, limit=100)


async def admins_of(work: IdentityWork) -> list[User]:
    async with work() as uow:
        return await uow.users.hold_admins()


async def sessions_of(
    work: IdentityWork,
    user: User,
    *,
    now: datetime | None = None,
    before: UUID | None = None,
    limit: int = 100,
) -> list[Session]:
    async with work() as uow:
        return await uow.sessions.page_of_user(
            user_id=user.id, now=now or at(), before=before, limit=limit
        )


async def session_of(work: IdentityWork, session_id: UUID) -> Session | None:
    async with work() as uow:
        return await uow.sessions.get(session_id=session_id)


async def token_of(work: IdentityWork, digest: str) -> RefreshToken | None:
    async with work() as uow:
        return await uow.refresh_tokens.hold(digest=digest)


async def api_keys_of(work: IdentityWork, user_id: UUID | None = None) -> list[ApiKey]:
    async with work() as uow:
        return await uow.api_keys.page(user_id=user_id, before=None, limit=100)


async def second_factor_of(work: IdentityWork, user_id: UUID) -> tuple[SecondFactor | None, int]:
    async with work() as uow:
        factor = await uow.second_factors.get(user_id=user_id)
        return factor, await uow.second_factors.count_recovery_codes(user_id=user_id)


async def log_of(work: IdentityWork, matching: LoginLogFilter | None = None) -> list[LoginAttempt]:
    async with work() as uow:
        return await uow.login_log.page(
            matching=matching or LoginLogFilter(), before=None, limit=100
        )


async def last_success_of(work: IdentityWork, user_id: UUID, network: str) -> object:
    async with work() as uow:
        return await uow.origins.last_successes(pairs=[(user_id, network)])


async def taken_of(work: IdentityWork, key: str) -> dict[str, Taken]:
    async with work() as uow:
        return await uow.throttle.taken(keys=[key], now=at(), pending_since=at())


async def look_around(uow: IdentityUnitOfWork) -> None:
    await uow.users.get(user_id=new_id())


async def commit(uow: IdentityUnitOfWork) -> None:
    await uow.commit()


class UsersContract:
    port: ClassVar[type] = Users
    adapter: ClassVar[type]

    async def test_what_is_tested_is_the_adapter_that_is_named(self, work: IdentityWork) -> None:
        async with work() as uow:
            assert type(uow.users) is self.adapter

    async def test_a_user_comes_back_with_every_field(self, work: IdentityWork) -> None:
        user = a_user(
            username="Trader.One",
            email="Trader.One@Example.com",
            password_hash="$2b$12$" + "a" * 53,
            role=Role.ADMIN,
            disabled=True,
            created_at=at(0),
            password_changed_at=at(1),
            password_expires_at=at(2),
            mfa_required=True,
            has_second_factor=True,
        )
        await keep(work, user)
        assert await user_of(work, user.id) == user

    async def test_a_user_comes_back_without_what_it_has_not(self, work: IdentityWork) -> None:
        user = a_user(email=None, disabled=False)
        await keep(work, user)
        assert await user_of(work, user.id) == user

    @pytest.mark.parametrize("role", list(Role))
    async def test_a_role_comes_back_as_a_role(self, work: IdentityWork, role: Role) -> None:
        user = a_user(role=role)
        await keep(work, user)
        found = await user_of(work, user.id)
        assert found is not None
        assert found.role is role

    @pytest.mark.parametrize("disabled", [False, True])
    async def test_a_truth_value_comes_back_as_one(
        self, work: IdentityWork, disabled: bool
    ) -> None:
        user = a_user(disabled=disabled)
        await keep(work, user)
        found = await user_of(work, user.id)
        assert found is not None
        assert found.disabled is disabled

    @pytest.mark.parametrize("instant", INSTANTS)
    async def test_an_instant_comes_back_equal(self, work: IdentityWork, instant: datetime) -> None:
        user = a_user(created_at=instant)
        await keep(work, user)
        assert await user_of(work, user.id) == user

    @pytest.mark.parametrize("instant", INSTANTS)
    async def test_an_instant_comes_back_in_utc(
        self, work: IdentityWork, instant: datetime
    ) -> None:
        user = a_user(created_at=instant)
        await keep(work, user)
        found = await user_of(work, user.id)
        assert found is not None
        assert found.created_at.utcoffset() == timedelta(0)

    @pytest.mark.parametrize("text", STORABLE_TEXTS)
    async def test_a_text_comes_back_as_it_was(self, work: IdentityWork, text: str) -> None:
        user = a_user(username=text, email=text, password_hash=text)
        await keep(work, user)
        assert await user_of(work, user.id) == user

    async def test_the_longest_name_and_address_that_can_be_registered_are_kept(
        self, work: IdentityWork
    ) -> None:
        user = a_user(username="a" * 64, email="a" * 242 + "@example.com")
        await keep(work, user)
        assert await user_of(work, user.id) == user

    async def test_texts_as_long_as_their_bounds_are_kept(self, work: IdentityWork) -> None:
        user = a_user(
            username="\U0001f642" * storage.USERNAME,
            email="\U0001f642" * storage.EMAIL,
            password_hash="\U0001f642" * storage.PASSWORD_HASH,
        )
        await keep(work, user)
        assert await user_of(work, user.id) == user

    @pytest.mark.parametrize(
        "user",
        [
            pytest.param(a_user(username="a" * (storage.USERNAME + 1)), id="username"),
            pytest.param(a_user(email="a" * (storage.EMAIL + 1)), id="email"),
            pytest.param(a_user(password_hash="a" * (storage.PASSWORD_HASH + 1)), id="hash"),
            # One sign, and three when it is folded.
            pytest.param(a_user(username="\ufb03" * storage.USERNAME), id="username-folded"),
            pytest.param(a_user(email="\ufb03" * storage.EMAIL), id="email-folded"),
        ],
    )
    async def test_a_text_longer_than_its_bound_is_refused(
        self, work: IdentityWork, user: User
    ) -> None:
        async with work() as uow:
            with pytest.raises(UnstorableText):
                await uow.users.add(user=user)
        assert await users_of(work) == []

    @pytest.mark.parametrize("text", UNSTORABLE_TEXTS)
    @pytest.mark.parametrize(
        "user_with",
        [
            pytest.param(lambda text: a_user(username=text), id="username"),
            pytest.param(lambda text: a_user(email=text), id="email"),
            pytest.param(lambda text: a_user(password_hash=text), id="password_hash"),
        ],
    )
    async def test_a_text_that_cannot_be_stored_is_refused_when_adding(
        self, work: IdentityWork, user_with: Callable[[str], User], text: str
    ) -> None:
        async with work() as uow:
            with pytest.raises(UnstorableText):
                await uow.users.add(user=user_with(text))
        assert await users_of(work) == []

    @pytest.mark.parametrize("text", UNSTORABLE_TEXTS)
    @pytest.mark.parametrize(
        "changed",
        [
            pytest.param(lambda user, text: replace(user, username=text), id="username"),
            pytest.param(lambda user, text: replace(user, email=text), id="email"),
            pytest.param(lambda user, text: replace(user, password_hash=text), id="password_hash"),
        ],
    )
    async def test_a_text_that_cannot_be_stored_is_refused_when_replacing(
        self, work: IdentityWork, changed: Callable[[User, str], User], text: str
    ) -> None:
        user = a_user()
        await keep(work, user)
        async with work() as uow:
            with pytest.raises(UnstorableText):
                await uow.users.replace(user=changed(user, text))
        assert await users_of(work) == [user]

    async def test_an_unknown_id_is_nobody(self, work: IdentityWork) -> None:
        await keep(work, a_user())
        assert await user_of(work, new_id()) is None

    @pytest.mark.parametrize(
        "username",
        ["ALICE", "alice", "\uff21lice", "a\uff4c\uff49ce", "alic\u24d4"],
        ids=["upper", "equal", "wide", "partly-wide", "circled"],
    )
    async def test_a_name_that_differs_only_in_case_or_width_is_taken(
        self, work: IdentityWork, username: str
    ) -> None:
        await keep(work, a_user(username="alice"))
        async with work() as uow:
            with pytest.raises(UsernameTaken):
                await uow.users.add(user=a_user(username=username))

    @pytest.mark.parametrize(
        "email",
        [
            "STRASSE@EXAMPLE.COM",
            "stra\u00dfe@example.com",
            "STRA\u1e9eE@example.com",
            "strasse@example\uff0ecom",
        ],
        ids=["upper", "sharp-s", "capital-sharp-s", "wide-dot"],
    )
    async def test_an_address_that_differs_only_in_case_or_width_is_taken(
        self, work: IdentityWork, email: str
    ) -> None:
        await keep(work, a_user(email="strasse@example.com"))
        async with work() as uow:
            with pytest.raises(EmailTaken):
                await uow.users.add(user=a_user(email=email))

    async def test_a_name_is_taken_within_the_unit_of_work_that_took_it(
        self, work: IdentityWork
    ) -> None:
        async with work() as uow:
            await uow.users.add(user=a_user(username="alice"))
            with pytest.raises(UsernameTaken):
                await uow.users.add(user=a_user(username="Alice"))

    async def test_name_and_address_both_taken_are_one_refusal(self, work: IdentityWork) -> None:
        await keep(work, a_user(username="alice", email="alice@example.com"))
        async with work() as uow:
            with pytest.raises((UsernameTaken, EmailTaken)):
                await uow.users.add(user=a_user(username="alice", email="alice@example.com"))

    async def test_many_users_have_no_address(self, work: IdentityWork) -> None:
        users = [a_user(email=None) for _ in range(3)]
        await keep(work, *users)
        assert await users_of(work) == users

    async def test_a_name_that_is_the_address_of_another_is_free(self, work: IdentityWork) -> None:
        users = [a_user(email="alice"), a_user(username="alice")]
        await keep(work, *users)
        assert await users_of(work) == users

    async def test_a_user_is_found_by_the_folded_name(self, work: IdentityWork) -> None:
        user = a_user(username="Stra\u00dfe")
        await keep(work, user, a_user())
        async with work() as uow:
            assert await uow.users.by_usernames(username_keys=["strasse"]) == {"strasse": user}

    async def test_several_users_are_found_by_their_names(self, work: IdentityWork) -> None:
        users = {name: a_user(username=name) for name in ("alice", "bob", "carol")}
        await keep(work, *users.values(), a_user())
        async with work() as uow:
            found = await uow.users.by_usernames(username_keys=["dave", "a\0b", *users, "bob"])
            none = await uow.users.by_usernames(username_keys=[])
        assert (found, none) == (users, {})

    @pytest.mark.parametrize(
        "key",
        [
            pytest.param("bob", id="another-name"),
            pytest.param("alic", id="a-beginning"),
            pytest.param("Alice", id="not-folded"),
            pytest.param("alice ", id="a-blank-behind"),
            pytest.param("%", id="a-wildcard"),
            pytest.param("_____", id="wildcards"),
            pytest.param("", id="empty"),
            pytest.param("alice\0", id="a-nul"),
            pytest.param("alice\ud800", id="a-lone-surrogate"),
            pytest.param("alice" * 20_000, id="over-long"),
        ],
    )
    async def test_a_key_that_nobody_has_is_nobodys(self, work: IdentityWork, key: str) -> None:
        await keep(work, a_user(username="Alice"))
        async with work() as uow:
            assert await uow.users.by_usernames(username_keys=[key]) == {}

    @pytest.mark.parametrize("key", UNSTORABLE_TEXTS)
    async def test_after_a_key_that_nobody_can_have_the_unit_of_work_goes_on(
        self, work: IdentityWork, key: str
    ) -> None:
        user = a_user()
        async with work() as uow:
            await uow.users.by_usernames(username_keys=[key])
            await uow.users.add(user=user)
            await uow.commit()
        assert await users_of(work) == [user]

    async def test_replacing_stores_all_fields(self, work: IdentityWork) -> None:
        user = a_user(username="alice", email="alice@example.com")
        other = a_user()
        changed = a_user(
            user_id=user.id,
            username="Bob",
            email=None,
            password_hash="another hash",
            role=Role.ADMIN,
            disabled=True,
            created_at=at(5),
            password_changed_at=at(6),
        )
        await keep(work, user, other)
        async with work() as uow:
            await uow.users.replace(user=changed)
            await uow.commit()
        assert await users_of(work) == [changed, other]

    async def test_a_user_replaced_by_an_equal_one_conflicts_with_nobody(
        self, work: IdentityWork
    ) -> None:
        user = a_user(email="alice@example.com")
        await keep(work, user)
        async with work() as uow:
            await uow.users.replace(user=user)
            await uow.commit()
        assert await users_of(work) == [user]

    async def test_a_renamed_user_is_found_by_the_new_name(self, work: IdentityWork) -> None:
        user = a_user(username="alice")
        renamed = replace(user, username="Bob")
        await keep(work, user)
        async with work() as uow:
            await uow.users.replace(user=renamed)
            assert await uow.users.by_usernames(username_keys=["bob"]) == {"bob": renamed}

    async def test_a_renamed_user_is_not_found_by_the_old_name(self, work: IdentityWork) -> None:
        user = a_user(username="alice")
        await keep(work, user)
        async with work() as uow:
            await uow.users.replace(user=replace(user, username="bob"))
            assert await uow.users.by_usernames(username_keys=["alice"]) == {}

    async def test_a_name_and_an_address_given_up_are_free(self, work: IdentityWork) -> None:
        user = a_user(username="alice", email="alice@example.com")
        await keep(work, user)
        renamed = replace(user, username="bob", email=None)
        successor = a_user(username="ALICE", email="ALICE@example.com")
        async with work() as uow:
            await uow.users.replace(user=renamed)
            await uow.users.add(user=successor)
            await uow.commit()
        assert await users_of(work) == [renamed, successor]

    async def test_replacing_nobody_is_refused(self, work: IdentityWork) -> None:
        async with work() as uow:
            with pytest.raises(UnknownUser):
                await uow.users.replace(user=a_user())

    async def test_nobody_is_replaced_by_a_user_whose_name_is_taken_either(
        self, work: IdentityWork
    ) -> None:
        await keep(work, a_user(username="alice"))
        async with work() as uow:
            with pytest.raises(UnknownUser):
                await uow.users.replace(user=a_user(username="alice"))

    async def test_replacing_takes_no_name_of_another(self, work: IdentityWork) -> None:
        user = a_user(username="alice")
        await keep(work, user, a_user(username="bob"))
        async with work() as uow:
            with pytest.raises(UsernameTaken):
                await uow.users.replace(user=replace(user, username="BOB"))

    async def test_replacing_takes_no_address_of_another(self, work: IdentityWork) -> None:
        user = a_user(email=None)
        await keep(work, user, a_user(email="bob@example.com"))
        async with work() as uow:
            with pytest.raises(EmailTaken):
                await uow.users.replace(user=replace(user, email="BOB@example.com"))

    async def test_holding_gives_the_user(self, work: IdentityWork) -> None:
        user = a_user(email="alice@example.com")
        await keep(work, user)
        async with work() as uow:
            assert await uow.users.hold(user_id=user.id) == user

    async def test_holding_nobody_gives_none(self, work: IdentityWork) -> None:
        async with work() as uow:
            assert await uow.users.hold(user_id=new_id()) is None

    async def test_a_user_held_twice_by_one_unit_of_work_is_held_once(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        await keep(work, user)
        with fail_after(PATIENCE):
            async with work() as uow:
                await uow.users.hold(user_id=user.id)
                assert await uow.users.hold(user_id=user.id) == user

    async def test_a_held_user_can_be_read(self, work: IdentityWork, reading: IdentityWork) -> None:
        user = a_user()
        await keep(work, user)
        with fail_after(PATIENCE):
            async with work() as uow:
                await uow.users.hold(user_id=user.id)
                assert await user_of(reading, user.id) == user

    async def test_a_user_who_was_held_can_be_held_again(self, work: IdentityWork) -> None:
        user = a_user()
        await keep(work, user)
        with fail_after(PATIENCE):
            for _ in range(2):
                async with work() as uow:
                    assert await uow.users.hold(user_id=user.id) == user

    async def test_where_nobody_administers_nobody_is_held(self, work: IdentityWork) -> None:
        await keep(work, a_user())
        assert await admins_of(work) == []

    async def test_all_administrators_are_held_in_the_order_of_their_ids(
        self, work: IdentityWork
    ) -> None:
        admins = [
            a_user(user_id=user_id, role=Role.ADMIN, disabled=number % 2 == 0)
            for number, user_id in enumerate(SPREAD_IDS)
        ]
        await keep(work, a_user(), *reversed(admins), a_user())
        assert await admins_of(work) == admins

    async def test_administrators_are_held_in_the_unit_of_work_that_made_them(
        self, work: IdentityWork
    ) -> None:
        old, new = a_user(role=Role.ADMIN), a_user()
        async with work() as uow:
            await uow.users.add(user=old)
            await uow.users.add(user=new)
            await uow.users.replace(user=replace(old, role=Role.USER))
            await uow.users.replace(user=replace(new, role=Role.ADMIN))
            assert await uow.users.hold_admins() == [replace(new, role=Role.ADMIN)]

    async def test_a_second_who_holds_the_administrators_waits(self, work: IdentityWork) -> None:
        await keep(work, a_user(role=Role.ADMIN), a_user(role=Role.ADMIN))
        through = await race(
            work,
            first=lambda uow: uow.users.hold_admins(),
            meanwhile=look_around,
            last=commit,
            second=lambda uow: uow.users.hold_admins(),
        )
        assert through == ["first", "second"]

    async def test_a_second_who_holds_one_of_the_administrators_waits(
        self, work: IdentityWork
    ) -> None:
        admins = [a_user(role=Role.ADMIN), a_user(role=Role.ADMIN)]
        await keep(work, *admins)
        through = await race(
            work,
            first=lambda uow: uow.users.hold_admins(),
            meanwhile=look_around,
            last=commit,
            second=lambda uow: uow.users.hold(user_id=admins[1].id),
        )
        assert through == ["first", "second"]

    @pytest.mark.parametrize("change", [{"role": Role.USER}, {"disabled": True}], ids=str)
    async def test_whoever_held_the_administrators_later_sees_what_became_of_them(
        self, work: IdentityWork, change: dict[str, Any]
    ) -> None:
        admins = [a_user(role=Role.ADMIN), a_user(role=Role.ADMIN)]
        await keep(work, *admins)
        seen: list[list[User]] = []

        async def unseat(uow: IdentityUnitOfWork) -> None:
            await uow.users.hold_admins()
            await uow.users.replace(user=replace(admins[1], **change))

        async def hold(uow: IdentityUnitOfWork) -> None:
            seen.append(await uow.users.hold_admins())

        await race(work, first=unseat, meanwhile=look_around, last=commit, second=hold)
        changed = [admins[0], replace(admins[1], **change)]
        assert seen == [[admin for admin in changed if admin.role is Role.ADMIN]]

    async def test_where_nobody_is_a_page_is_empty(self, work: IdentityWork) -> None:
        assert await users_of(work) == []

    async def test_users_are_in_the_order_of_their_ids(self, work: IdentityWork) -> None:
        users = {user_id: a_user(user_id=user_id) for user_id in SPREAD_IDS}
        await keep(work, *(users[SPREAD_IDS[place]] for place in (5, 1, 7, 0, 3, 6, 2, 4)))
        assert await users_of(work) == list(users.values())

    async def test_a_page_begins_beyond_an_id_that_nobody_has(self, work: IdentityWork) -> None:
        users = [a_user(user_id=user_id) for user_id in SPREAD_IDS]
        await keep(work, *users[:3], *users[4:])
        async with work() as uow:
            assert await uow.users.page(after=SPREAD_IDS[3], limit=100) == users[4:]

    async def test_beyond_the_last_user_a_page_is_empty(self, work: IdentityWork) -> None:
        user = a_user()
        await keep(work, user)
        async with work() as uow:
            assert await uow.users.page(after=user.id, limit=100) == []

    @pytest.mark.parametrize("limit", [0, 1, 2, 3, 4])
    async def test_a_page_has_at_most_its_limit(self, work: IdentityWork, limit: int) -> None:
        users = [a_user() for _ in range(3)]
        await keep(work, *users)
        async with work() as uow:
            assert await uow.users.page(after=None, limit=limit) == users[:limit]

    async def test_pages_have_every_user_once(self, work: IdentityWork) -> None:
        users = [a_user() for _ in range(25)]
        await keep(work, *reversed(users))
        found: list[User] = []
        async with work() as uow:
            while page := await uow.users.page(after=found[-1].id if found else None, limit=7):
                found += page
                assert len(found) <= len(users)
        assert found == users

    async def test_a_page_changed_by_its_reader_changes_nothing(self, work: IdentityWork) -> None:
        user = a_user()
        await keep(work, user)
        async with work() as uow:
            (await uow.users.page(after=None, limit=10)).clear()
            assert await uow.users.page(after=None, limit=10) == [user]

    async def test_a_second_who_adds_the_same_name_waits(self, work: IdentityWork) -> None:
        async def refused(uow: IdentityUnitOfWork) -> None:
            with pytest.raises(UsernameTaken):
                await uow.users.add(user=a_user(username="ALICE"))

        through = await race(
            work,
            first=lambda uow: uow.users.add(user=a_user(username="alice")),
            meanwhile=look_around,
            last=commit,
            second=refused,
        )
        assert through == ["first", "second"]

    async def test_a_second_who_adds_the_same_address_waits(self, work: IdentityWork) -> None:
        async def refused(uow: IdentityUnitOfWork) -> None:
            with pytest.raises(EmailTaken):
                await uow.users.add(user=a_user(email="ALICE@example.com"))

        through = await race(
            work,
            first=lambda uow: uow.users.add(user=a_user(email="alice@example.com")),
            meanwhile=look_around,
            last=commit,
            second=refused,
        )
        assert through == ["first", "second"]

    async def test_a_second_who_takes_the_name_by_replacing_waits(self, work: IdentityWork) -> None:
        user = a_user(username="bob")
        await keep(work, user)

        async def refused(uow: IdentityUnitOfWork) -> None:
            with pytest.raises(UsernameTaken):
                await uow.users.replace(user=replace(user, username="ALICE"))

        through = await race(
            work,
            first=lambda uow: uow.users.add(user=a_user(username="alice")),
            meanwhile=look_around,
            last=commit,
            second=refused,
        )
        assert through == ["first", "second"]

    async def test_a_name_that_was_not_kept_goes_to_the_second(self, work: IdentityWork) -> None:
        winner = a_user(username="ALICE")

        async def add(uow: IdentityUnitOfWork) -> None:
            await uow.users.add(user=winner)
            await uow.commit()

        await race(
            work,
            first=lambda uow: uow.users.add(user=a_user(username="alice")),
            meanwhile=look_around,
            last=None,
            second=add,
        )
        assert await users_of(work) == [winner]

    async def test_the_unit_of_work_that_lost_a_race_is_of_no_more_use(
        self, work: IdentityWork
    ) -> None:
        async def refused_twice(uow: IdentityUnitOfWork) -> None:
            with pytest.raises(UsernameTaken):
                await uow.users.add(user=a_user(username="ALICE"))
            with pytest.raises(UnitOfWorkFailed):
                await uow.users.add(user=a_user(username="bob"))

        through = await race(
            work,
            first=lambda uow: uow.users.add(user=a_user(username="alice")),
            meanwhile=look_around,
            last=commit,
            second=refused_twice,
        )
        assert through == ["first", "second"]

    async def test_of_many_who_add_the_same_name_at_once_one_does(self, work: IdentityWork) -> None:
        added: list[User] = []

        async def register(user: User) -> None:
            async with work() as uow:
                await uow.users.add(user=user)
                await uow.commit()
            added.append(user)

        async def register_or_lose(user: User) -> None:
            try:
                await register(user)
            except UsernameTaken:
                return

        users = [a_user(username=name) for name in ("alice", "ALICE", "Alice", "aLICE")]
        await all_at_once(*(lambda user=user: register_or_lose(user) for user in users))
        assert await users_of(work) == added
        assert len(added) == 1

    async def test_a_second_who_holds_the_user_waits(self, work: IdentityWork) -> None:
        user = a_user()
        await keep(work, user)
        through = await race(
            work,
            first=lambda uow: uow.users.hold(user_id=user.id),
            meanwhile=look_around,
            last=commit,
            second=lambda uow: uow.users.hold(user_id=user.id),
        )
        assert through == ["first", "second"]

    async def test_a_second_who_replaces_a_held_user_waits(self, work: IdentityWork) -> None:
        user = a_user()
        await keep(work, user)
        through = await race(
            work,
            first=lambda uow: uow.users.hold(user_id=user.id),
            meanwhile=look_around,
            last=commit,
            second=lambda uow: uow.users.replace(user=replace(user, disabled=True)),
        )
        assert through == ["first", "second"]

    async def test_whoever_held_the_user_later_sees_what_was_done_before(
        self, work: IdentityWork
    ) -> None:
        user = a_user(disabled=False)
        await keep(work, user)
        disabled = replace(user, disabled=True)
        seen: list[User | None] = []

        async def hold_and_replace(uow: IdentityUnitOfWork) -> None:
            await uow.users.hold(user_id=user.id)
            await uow.users.replace(user=disabled)

        async def hold(uow: IdentityUnitOfWork) -> None:
            seen.append(await uow.users.hold(user_id=user.id))

        await race(work, first=hold_and_replace, meanwhile=look_around, last=commit, second=hold)
        assert seen == [disabled]

    async def test_whoever_held_the_user_later_sees_nothing_of_what_was_not_kept(
        self, work: IdentityWork
    ) -> None:
        user = a_user(disabled=False)
        await keep(work, user)
        seen: list[User | None] = []

        async def hold_and_replace(uow: IdentityUnitOfWork) -> None:
            await uow.users.hold(user_id=user.id)
            await uow.users.replace(user=replace(user, disabled=True))

        async def hold(uow: IdentityUnitOfWork) -> None:
            seen.append(await uow.users.hold(user_id=user.id))

        await race(work, first=hold_and_replace, meanwhile=look_around, last=None, second=hold)
        assert seen == [user]

    async def test_changes_made_while_holding_are_not_lost(self, work: IdentityWork) -> None:
        user = a_user(username="a")
        await keep(work, user)

        async def lengthen() -> None:
            async with work() as uow:
                held = await uow.users.hold(user_id=user.id)
                assert held is not None
                await uow.users.replace(user=replace(held, username=held.username + "a"))
                await uow.commit()

        await all_at_once(*[lengthen] * 4)
        assert await user_of(work, user.id) == replace(user, username="aaaaa")


class LoginLogContract:
    port: ClassVar[type] = LoginLog
    adapter: ClassVar[type]

    async def test_what_is_tested_is_the_adapter_that_is_named(self, work: IdentityWork) -> None:
        async with work() as uow:
            assert type(uow.login_log) is self.adapter

    async def test_an_attempt_comes_back_with_every_field(self, work: IdentityWork) -> None:
        user = a_user()
        session = a_session(user_id=user.id)
        attempt = an_attempt(
            at=at(1),
            username="Trader\\n",
            username_key="trader\\n",
            user_id=user.id,
            ip="2001:db8::1",
            user_agent="ccxt/4.5 (Linux)",
            request_id="01890000-0000-7000-8000-000000000000",
            outcome=Outcome.FAILED,
            fail_reason=FailReason.INTERNAL_ERROR,
            session_id=session.id,
            duration_ms=123,
            device_type=DeviceType.LIBRARY,
            os="Linux",
            client="ccxt 4.5",
            new_network=True,
            new_client=False,
        )
        await keep(work, user, session, attempt)
        assert await log_of(work) == [attempt]

    async def test_an_attempt_comes_back_without_what_it_has_not(self, work: IdentityWork) -> None:
        attempt = an_attempt()
        await keep(work, attempt)
        assert await log_of(work) == [attempt]

    @pytest.mark.parametrize("outcome", list(Outcome))
    async def test_an_outcome_comes_back_as_one(self, work: IdentityWork, outcome: Outcome) -> None:
        await keep(work, an_attempt(outcome=outcome))
        [found] = await log_of(work)
        assert found.outcome is outcome

    @pytest.mark.parametrize("reason", list(FailReason))
    async def test_a_reason_comes_back_as_one(self, work: IdentityWork, reason: FailReason) -> None:
        await keep(work, an_attempt(outcome=Outcome.FAILED, fail_reason=reason))
        [found] = await log_of(work)
        assert found.fail_reason is reason

    @pytest.mark.parametrize("duration_ms", [0, 1, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1])
    async def test_a_duration_comes_back_however_long(
        self, work: IdentityWork, duration_ms: int
    ) -> None:
        attempt = an_attempt(outcome=Outcome.SUCCESS, duration_ms=duration_ms)
        await keep(work, attempt)
        assert await log_of(work) == [attempt]

    @pytest.mark.parametrize("instant", INSTANTS)
    async def test_an_instant_comes_back_equal(self, work: IdentityWork, instant: datetime) -> None:
        attempt = an_attempt(at=instant)
        await keep(work, attempt)
        assert await log_of(work) == [attempt]

    @pytest.mark.parametrize("instant", INSTANTS)
    async def test_an_instant_comes_back_in_utc(
        self, work: IdentityWork, instant: datetime
    ) -> None:
        await keep(work, an_attempt(at=instant))
        [found] = await log_of(work)
        assert found.at.utcoffset() == timedelta(0)

    @pytest.mark.parametrize("text", STORABLE_TEXTS)
    async def test_a_text_comes_back_as_it_was(self, work: IdentityWork, text: str) -> None:
        attempt = an_attempt(
            username=text, username_key=text, ip=text, user_agent=text, request_id=text
        )
        await keep(work, attempt)
        assert await log_of(work) == [attempt]

    async def test_an_attempt_is_kept_whose_user_and_session_are_not_there(
        self, work: IdentityWork
    ) -> None:
        attempt = an_attempt(outcome=Outcome.SUCCESS, user_id=new_id(), session_id=new_id())
        await keep(work, attempt)
        assert await log_of(work) == [attempt]

    async def test_texts_as_long_as_their_bounds_are_kept(self, work: IdentityWork) -> None:
        attempt = an_attempt(
            username="\U0001f642" * storage.USERNAME,
            username_key="\U0001f642" * storage.USERNAME,
            ip="\U0001f642" * storage.IP,
            user_agent="\U0001f642" * storage.USER_AGENT,
            request_id="\U0001f642" * storage.REQUEST_ID,
        )
        await keep(work, attempt)
        assert await log_of(work) == [attempt]

    @pytest.mark.parametrize(
        "attempt",
        [
            pytest.param(
                an_attempt(username="a" * (storage.USERNAME + 1), username_key=""), id="username"
            ),
            pytest.param(an_attempt(username_key="a" * (storage.USERNAME + 1)), id="username_key"),
            pytest.param(an_attempt(ip="a" * (storage.IP + 1)), id="ip"),
            pytest.param(an_attempt(user_agent="a" * (storage.USER_AGENT + 1)), id="user_agent"),
            pytest.param(an_attempt(request_id="a" * (storage.REQUEST_ID + 1)), id="request_id"),
            pytest.param(an_attempt(os="a" * (storage.OS + 1)), id="os"),
            pytest.param(an_attempt(client="a" * (storage.CLIENT + 1)), id="client"),
        ],
    )
    async def test_a_text_longer_than_its_bound_is_refused(
        self, work: IdentityWork, attempt: LoginAttempt
    ) -> None:
        async with work() as uow:
            with pytest.raises(UnstorableText):
                await uow.login_log.append(attempts=[attempt])
        assert await log_of(work) == []

    async def test_the_longest_texts_that_an_attempt_is_made_with_are_kept(
        self, work: IdentityWork
    ) -> None:
        attempt = an_attempt(
            username="\U0001f642" * 64,
            username_key="\U0001f642" * 64,
            ip="0000:0000:0000:0000:0000:ffff:255.255.255.255",
            user_agent="\U0001f642" * 512,
        )
        await keep(work, attempt)
        assert await log_of(work) == [attempt]

    @pytest.mark.parametrize("text", UNSTORABLE_TEXTS)
    @pytest.mark.parametrize(
        "attempt_with",
        [
            pytest.param(lambda text: an_attempt(username=text, username_key=""), id="username"),
            pytest.param(lambda text: an_attempt(username_key=text), id="username_key"),
            pytest.param(lambda text: an_attempt(ip=text), id="ip"),
            pytest.param(lambda text: an_attempt(user_agent=text), id="user_agent"),
            pytest.param(lambda text: an_attempt(request_id=text), id="request_id"),
            pytest.param(lambda text: an_attempt(os=text), id="os"),
            pytest.param(lambda text: an_attempt(client=text), id="client"),
        ],
    )
    async def test_a_text_that_cannot_be_stored_is_refused(
        self, work: IdentityWork, attempt_with: Callable[[str], LoginAttempt], text: str
    ) -> None:
        async with work() as uow:
            with pytest.raises(UnstorableText):
                await uow.login_log.append(attempts=[attempt_with(text)])
        assert await log_of(work) == []

    async def test_settling_stores_how_the_attempt_ended(self, work: IdentityWork) -> None:
        user = a_user()
        session = a_session(user_id=user.id)
        attempt = an_attempt(user_id=user.id, ip="192.0.2.1", user_agent="curl", request_id="r")
        await keep(work, user, session, attempt)
        settled = attempt.settled(at=at(1), reason=None, session_id=session.id)
        async with work() as uow:
            await uow.login_log.settle(attempts=[settled])
            await uow.commit()
        assert await log_of(work) == [settled]

    async def test_settling_as_failed_stores_the_reason(self, work: IdentityWork) -> None:
        attempt = an_attempt()
        await keep(work, attempt)
        settled = attempt.settled(at=at(1), reason=FailReason.BAD_PASSWORD)
        async with work() as uow:
            await uow.login_log.settle(attempts=[settled])
            await uow.commit()
        assert await log_of(work) == [settled]

    async def test_settling_keeps_what_the_attempt_began_with(self, work: IdentityWork) -> None:
        user = a_user()
        attempt = an_attempt(
            at=at(0), username="a", ip="192.0.2.1", user_agent="curl", request_id="r"
        )
        await keep(work, user, attempt)
        other = an_attempt(
            attempt_id=attempt.id,
            at=at(0),
            username="b",
            user_id=user.id,
            ip="192.0.2.9",
            user_agent="ccxt",
            request_id="s",
            device_type=DeviceType.LIBRARY,
            os="Linux",
            client="ccxt",
            outcome=Outcome.THROTTLED,
            fail_reason=FailReason.THROTTLED_PAIR,
            duration_ms=7,
        )
        async with work() as uow:
            await uow.login_log.settle(attempts=[other])
            await uow.commit()
        assert await log_of(work) == [
            replace(
                attempt,
                outcome=Outcome.THROTTLED,
                fail_reason=FailReason.THROTTLED_PAIR,
                duration_ms=7,
            )
        ]

    async def test_an_attempt_is_settled_with_a_session_that_is_not_there(
        self, work: IdentityWork
    ) -> None:
        attempt = an_attempt()
        await keep(work, attempt)
        settled = attempt.settled(at=at(1), reason=None, session_id=new_id())
        async with work() as uow:
            await uow.login_log.settle(attempts=[settled])
            await uow.commit()
        assert await log_of(work) == [settled]

    async def test_settling_leaves_other_attempts_pending(self, work: IdentityWork) -> None:
        attempt, other = an_attempt(at=at(1)), an_attempt(at=at(0))
        await keep(work, attempt, other)
        settled = attempt.settled(at=at(2), reason=FailReason.DISABLED)
        async with work() as uow:
            await uow.login_log.settle(attempts=[settled])
            await uow.commit()
        assert await log_of(work) == [settled, other]

    async def test_an_attempt_is_settled_in_the_unit_of_work_that_began_it(
        self, work: IdentityWork
    ) -> None:
        attempt = an_attempt()
        settled = attempt.settled(at=at(1), reason=FailReason.UNKNOWN_USER)
        async with work() as uow:
            await uow.login_log.append(attempts=[attempt])
            await uow.login_log.settle(attempts=[settled])
            await uow.commit()
        assert await log_of(work) == [settled]

    async def test_several_attempts_are_appended_and_settled_together(
        self, work: IdentityWork
    ) -> None:
        attempts = [
            an_attempt(at=at(3), username="a", ip="192.0.2.1", user_agent="curl", request_id="r"),
            an_attempt(at=at(2), user_id=new_id(), os="iOS 17", client="ccxt 4.2"),
            an_attempt(at=at(1)),
        ]
        known = Familiarity(at(0), None)
        ended = [
            attempts[0].settled(at=at(4), reason=None, session_id=new_id(), familiarity=known),
            attempts[1].settled(at=at(5), reason=FailReason.BUSY),
        ]
        async with work() as uow:
            await uow.login_log.append(attempts=attempts)
            await uow.login_log.append(attempts=[])
            await uow.login_log.settle(attempts=ended)
            await uow.login_log.settle(attempts=[])
            await uow.commit()
        assert await log_of(work) == [*ended, attempts[2]]

    async def test_of_several_attempts_none_is_settled_where_one_is_not_pending(
        self, work: IdentityWork
    ) -> None:
        pending, ended = an_attempt(at=at(2)), an_attempt(at=at(1), outcome=Outcome.FAILED)
        await keep(work, pending, ended)
        settled = pending.settled(at=at(3), reason=FailReason.BUSY)
        wrong = [
            [settled, ended],
            [ended, settled],
            [settled, an_attempt()],
            [settled, settled],
            [settled, replace(settled, at=at(1))],
        ]
        for attempts in wrong:
            async with work() as uow:
                with pytest.raises(AttemptNotPending):
                    await uow.login_log.settle(attempts=attempts)
        assert await log_of(work) == [pending, ended]

    async def test_an_unknown_attempt_is_not_settled(self, work: IdentityWork) -> None:
        attempt = an_attempt().settled(at=at(1), reason=None)
        async with work() as uow:
            with pytest.raises(AttemptNotPending):
                await uow.login_log.settle(attempts=[attempt])

    async def test_an_attempt_of_another_instant_is_not_settled(self, work: IdentityWork) -> None:
        attempt = an_attempt(at=at(0))
        await keep(work, attempt)
        async with work() as uow:
            with pytest.raises(AttemptNotPending):
                await uow.login_log.settle(
                    attempts=[replace(attempt.settled(at=at(1), reason=None), at=at(1))]
                )
        assert await log_of(work) == [attempt]

    @pytest.mark.parametrize("device_type", list(DeviceType))
    async def test_a_kind_of_device_comes_back_as_one(
        self, work: IdentityWork, device_type: DeviceType
    ) -> None:
        await keep(work, an_attempt(device_type=device_type))
        [found] = await log_of(work)
        assert found.device_type is device_type

    async def test_settling_a_success_stores_what_was_new(self, work: IdentityWork) -> None:
        attempt = an_attempt(ip="192.0.2.1", client="ccxt 4.2")
        await keep(work, attempt)
        settled = attempt.settled(at=at(1), reason=None, familiarity=Familiarity(None, at(0)))
        async with work() as uow:
            await uow.login_log.settle(attempts=[settled])
            await uow.commit()
        [found] = await log_of(work)
        assert (found.new_network, found.new_client) == (True, False)

    async def test_an_attempt_is_not_settled_twice(self, work: IdentityWork) -> None:
        attempt = an_attempt()
        settled = attempt.settled(at=at(1), reason=FailReason.BAD_PASSWORD)
        await keep(work, attempt)
        async with work() as uow:
            await uow.login_log.settle(attempts=[settled])
            await uow.commit()
        async with work() as uow:
            with pytest.raises(AttemptNotPending):
                await uow.login_log.settle(attempts=[attempt.settled(at=at(2), reason=None)])
        assert await log_of(work) == [settled]

    @pytest.mark.parametrize("outcome", [Outcome.SUCCESS, Outcome.FAILED, Outcome.THROTTLED])
    async def test_an_attempt_that_was_recorded_settled_is_not_settled_again(
        self, work: IdentityWork, outcome: Outcome
    ) -> None:
        attempt = an_attempt(outcome=outcome, duration_ms=0)
        await keep(work, attempt)
        async with work() as uow:
            with pytest.raises(AttemptNotPending):
                await uow.login_log.settle(attempts=[attempt])

    async def test_an_attempt_whose_settling_was_not_kept_is_pending(
        self, work: IdentityWork
    ) -> None:
        attempt = an_attempt()
        settled = attempt.settled(at=at(1), reason=FailReason.BAD_PASSWORD)
        await keep(work, attempt)
        async with work() as uow:
            await uow.login_log.settle(attempts=[settled])
        assert await log_of(work) == [attempt]

    async def test_of_two_who_settle_at_once_the_first_counts(self, work: IdentityWork) -> None:
        attempt = an_attempt()
        settled = attempt.settled(at=at(1), reason=FailReason.BAD_PASSWORD)
        await keep(work, attempt)

        async def refused(uow: IdentityUnitOfWork) -> None:
            with pytest.raises(AttemptNotPending):
                await uow.login_log.settle(attempts=[attempt.settled(at=at(2), reason=None)])

        through = await race(
            work,
            first=lambda uow: uow.login_log.settle(attempts=[settled]),
            meanwhile=look_around,
            last=commit,
            second=refused,
        )
        assert through == ["first", "second"]
        assert await log_of(work) == [settled]

    async def test_an_empty_log_gives_an_empty_page(self, work: IdentityWork) -> None:
        assert await log_of(work) == []

    async def test_the_newest_attempt_comes_first(self, work: IdentityWork) -> None:
        attempts = [an_attempt(at=at(minutes)) for minutes in (2, 0, 3, 1)]
        await keep(work, *attempts)
        assert await log_of(work) == [attempts[place] for place in (2, 0, 3, 1)]

    async def test_a_microsecond_makes_an_attempt_newer(self, work: IdentityWork) -> None:
        newer = an_attempt(at=at() + timedelta(microseconds=1))
        older = an_attempt(at=at())
        await keep(work, newer, older)
        assert await log_of(work) == [newer, older]

    async def test_of_attempts_at_one_instant_the_greatest_id_comes_first(
        self, work: IdentityWork
    ) -> None:
        attempts = {spread: an_attempt(attempt_id=spread) for spread in SPREAD_IDS}
        await keep(work, *(attempts[SPREAD_IDS[place]] for place in (5, 1, 7, 0, 3, 6, 2, 4)))
        assert await log_of(work) == list(reversed(attempts.values()))

    async def test_a_page_begins_behind_a_position(self, work: IdentityWork) -> None:
        newest, tied, oldest = an_attempt(at=at(1)), an_attempt(), an_attempt()
        await keep(work, newest, oldest, tied)
        before = LoginLogPosition(at=oldest.at, id=oldest.id)
        async with work() as uow:
            page = await uow.login_log.page(matching=LoginLogFilter(), before=before, limit=10)
        assert page == [tied]

    async def test_a_position_need_not_be_that_of_an_attempt(self, work: IdentityWork) -> None:
        older, newer = an_attempt(at=at(0)), an_attempt(at=at(2))
        await keep(work, older, newer)
        before = LoginLogPosition(at=at(1), id=new_id())
        async with work() as uow:
            page = await uow.login_log.page(matching=LoginLogFilter(), before=before, limit=10)
        assert page == [older]

    @pytest.mark.parametrize("limit", [0, 1, 2, 3, 4])
    async def test_a_page_has_at_most_its_limit(self, work: IdentityWork, limit: int) -> None:
        attempts = [an_attempt(at=at(-minutes)) for minutes in range(3)]
        await keep(work, *attempts)
        async with work() as uow:
            page = await uow.login_log.page(matching=LoginLogFilter(), before=None, limit=limit)
        assert page == attempts[:limit]

    async def test_pages_have_every_attempt_once(self, work: IdentityWork) -> None:
        attempts = [an_attempt(at=at(number // 3)) for number in range(25)]
        await keep(work, *attempts)
        found: list[LoginAttempt] = []
        before: LoginLogPosition | None = None
        async with work() as uow:
            while page := await uow.login_log.page(
                matching=LoginLogFilter(), before=before, limit=4
            ):
                found += page
                assert len(found) <= len(attempts)
                before = LoginLogPosition(at=page[-1].at, id=page[-1].id)
        assert found == list(reversed(attempts))

    async def test_pages_of_what_matches_have_it_once(self, work: IdentityWork) -> None:
        attempts = [an_attempt(username="ab"[number % 2]) for number in range(20)]
        await keep(work, *attempts)
        found: list[LoginAttempt] = []
        before: LoginLogPosition | None = None
        async with work() as uow:
            while page := await uow.login_log.page(
                matching=LoginLogFilter(username_key="b"), before=before, limit=3
            ):
                found += page
                assert len(found) <= len(attempts)
                before = LoginLogPosition(at=page[-1].at, id=page[-1].id)
        assert found == list(reversed(attempts[1::2]))

    async def test_a_page_changed_by_its_reader_changes_nothing(self, work: IdentityWork) -> None:
        attempt = an_attempt()
        await keep(work, attempt)
        async with work() as uow:
            matching = LoginLogFilter()
            (await uow.login_log.page(matching=matching, before=None, limit=10)).clear()
            page = await uow.login_log.page(matching=matching, before=None, limit=10)
        assert page == [attempt]

    async def test_attempts_of_one_user(self, work: IdentityWork) -> None:
        user, other = a_user(), a_user()
        attempt = an_attempt(user_id=user.id)
        await keep(work, user, other, attempt, an_attempt(user_id=other.id), an_attempt())
        assert await log_of(work, LoginLogFilter(user_id=user.id)) == [attempt]

    async def test_attempts_with_one_name(self, work: IdentityWork) -> None:
        attempt = an_attempt(username="Alice", username_key="alice")
        await keep(work, attempt, an_attempt(username="alic"), an_attempt(username="alicee"))
        assert await log_of(work, LoginLogFilter(username_key="alice")) == [attempt]

    @pytest.mark.parametrize("username_key", ["ALICE", "%", "_lice", "alice ", ""])
    async def test_a_name_is_matched_exactly(self, work: IdentityWork, username_key: str) -> None:
        await keep(work, an_attempt(username_key="alice"))
        assert await log_of(work, LoginLogFilter(username_key=username_key)) == []

    async def test_attempts_from_one_address(self, work: IdentityWork) -> None:
        attempt = an_attempt(ip="192.0.2.1")
        await keep(work, attempt, an_attempt(ip="192.0.2.10"), an_attempt(ip=None))
        assert await log_of(work, LoginLogFilter(network=ip_network("192.0.2.1"))) == [attempt]

    @pytest.mark.parametrize(
        ("network", "found"),
        [
            ("192.0.2.1/32", {"192.0.2.1", "::ffff:192.0.2.1"}),
            ("192.0.2.0/31", {"192.0.2.1", "::ffff:192.0.2.1"}),
            ("192.0.2.0/24", {"192.0.2.1", "::ffff:192.0.2.1", "192.0.2.255"}),
            ("0.0.0.0/0", {"192.0.2.1", "::ffff:192.0.2.1", "192.0.2.255", "192.0.3.0"}),
            ("2001:db8::1/128", {"2001:db8::1"}),
            ("2001:db8::/126", {"2001:db8::1", "2001:db8::3"}),
            ("2001:db8::/64", {"2001:db8::1", "2001:db8::3", "2001:db8::4"}),
            ("2001:db8::/63", {"2001:db8::1", "2001:db8::3", "2001:db8::4", "2001:db8:0:1::"}),
            ("::/64", {"::1"}),
            ("::/0", {"::1", "2001:db8::1", "2001:db8::3", "2001:db8::4", "2001:db8:0:1::"}),
            ("198.51.100.0/24", set()),
        ],
    )
    async def test_attempts_from_a_network_of_any_width(
        self, work: IdentityWork, network: str, found: set[str]
    ) -> None:
        ips = [
            *("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.255", "192.0.3.0", "::1", "2001:db8::1"),
            *("2001:db8::3", "2001:db8::4", "2001:db8:0:1::", "no address", "", None),
        ]
        await keep(work, *(an_attempt(ip=ip) for ip in ips))
        matching = LoginLogFilter(network=ip_network(network))
        assert {attempt.ip for attempt in await log_of(work, matching)} == found

    async def test_pending_attempts_are_among_those_that_failed(self, work: IdentityWork) -> None:
        attempts = {outcome: an_attempt(outcome=outcome) for outcome in Outcome}
        await keep(work, *attempts.values())
        found = await log_of(work, LoginLogFilter(outcome=Outcome.FAILED))
        assert {attempt.outcome for attempt in found} == {Outcome.FAILED, Outcome.PENDING}

    @pytest.mark.parametrize("outcome", [one for one in Outcome if one is not Outcome.FAILED])
    async def test_attempts_of_one_outcome(self, work: IdentityWork, outcome: Outcome) -> None:
        attempts = {one: an_attempt(outcome=one) for one in Outcome}
        await keep(work, *attempts.values())
        assert await log_of(work, LoginLogFilter(outcome=outcome)) == [attempts[outcome]]

    @pytest.mark.parametrize("reason", list(FailReason))
    async def test_attempts_that_failed_for_one_reason(
        self, work: IdentityWork, reason: FailReason
    ) -> None:
        attempts = {one: an_attempt(outcome=Outcome.FAILED, fail_reason=one) for one in FailReason}
        await keep(work, an_attempt(), *attempts.values())
        assert await log_of(work, LoginLogFilter(fail_reason=reason)) == [attempts[reason]]

    async def test_attempts_since_an_instant_include_it(self, work: IdentityWork) -> None:
        early = an_attempt(at=at() - timedelta(microseconds=1))
        then = an_attempt(at=at())
        await keep(work, early, then)
        assert await log_of(work, LoginLogFilter(since=at())) == [then]

    async def test_attempts_until_an_instant_exclude_it(self, work: IdentityWork) -> None:
        early = an_attempt(at=at() - timedelta(microseconds=1))
        then = an_attempt(at=at())
        await keep(work, early, then)
        assert await log_of(work, LoginLogFilter(until=at())) == [early]

    async def test_an_instant_looked_for_is_the_same_in_whatever_zone_it_is_written(
        self, work: IdentityWork
    ) -> None:
        early, then, late = (an_attempt(at=at(minutes)) for minutes in range(3))
        await keep(work, early, then, late)
        matching = LoginLogFilter(since=at(1).astimezone(SEOUL), until=at(2).astimezone(SEOUL))
        assert await log_of(work, matching) == [then]

    async def test_a_position_is_the_same_in_whatever_zone_it_is_written(
        self, work: IdentityWork
    ) -> None:
        early, then, late = (an_attempt(at=at(minutes)) for minutes in range(3))
        await keep(work, early, then, late)
        before = LoginLogPosition(at=then.at.astimezone(SEOUL), id=then.id)
        async with work() as uow:
            page = await uow.login_log.page(matching=LoginLogFilter(), before=before, limit=10)
        assert page == [early]

    async def test_between_an_instant_and_itself_there_is_no_attempt(
        self, work: IdentityWork
    ) -> None:
        await keep(work, an_attempt(at=at()))
        assert await log_of(work, LoginLogFilter(since=at(), until=at())) == []

    @pytest.mark.parametrize("text", UNSTORABLE_TEXTS)
    @pytest.mark.parametrize(
        "matching_with",
        [
            pytest.param(lambda text: LoginLogFilter(username_key=text), id="username_key"),
        ],
    )
    async def test_a_text_that_cannot_be_stored_is_not_looked_for(
        self, work: IdentityWork, matching_with: Callable[[str], LoginLogFilter], text: str
    ) -> None:
        async with work() as uow:
            with pytest.raises(UnstorableText):
                await uow.login_log.page(matching=matching_with(text), before=None, limit=10)

    @pytest.mark.parametrize(
        "other_than",
        [
            pytest.param(lambda wanted: replace(wanted, user_id=None), id="user_id"),
            pytest.param(lambda wanted: replace(wanted, username_key="bob"), id="username_key"),
            pytest.param(lambda wanted: replace(wanted, ip="192.0.2.2"), id="ip"),
            pytest.param(lambda wanted: replace(wanted, outcome=Outcome.THROTTLED), id="outcome"),
            pytest.param(
                lambda wanted: replace(wanted, fail_reason=FailReason.BUSY), id="fail_reason"
            ),
            pytest.param(lambda wanted: replace(wanted, at=at(-1)), id="since"),
            pytest.param(lambda wanted: replace(wanted, at=at(1)), id="until"),
        ],
    )
    async def test_an_attempt_matches_only_with_every_field(
        self, work: IdentityWork, other_than: Callable[[LoginAttempt], LoginAttempt]
    ) -> None:
        user = a_user()
        wanted = an_attempt(
            username="alice",
            user_id=user.id,
            ip="192.0.2.1",
            outcome=Outcome.FAILED,
            fail_reason=FailReason.BAD_PASSWORD,
        )
        await keep(work, user, wanted, replace(other_than(wanted), id=new_id()))
        matching = LoginLogFilter(
            user_id=user.id,
            username_key="alice",
            network=ip_network("192.0.2.1"),
            outcome=Outcome.FAILED,
            fail_reason=FailReason.BAD_PASSWORD,
            since=at(0),
            until=at(1),
        )
        assert await log_of(work, matching) == [wanted]


class SessionsContract:
    port: ClassVar[type] = Sessions
    adapter: ClassVar[type]

    async def test_what_is_tested_is_the_adapter_that_is_named(self, work: IdentityWork) -> None:
        async with work() as uow:
            assert type(uow.sessions) is self.adapter

    async def test_a_session_comes_back_with_every_field(self, work: IdentityWork) -> None:
        user = a_user()
        session = a_session(
            user_id=user.id,
            created_at=at(0),
            last_used_at=at(1),
            idle_expires_at=at(4),
            expires_at=at(5),
            ip="2001:db8::1",
            user_agent="ccxt/4.5 (Linux)",
            ended_at=at(3),
        )
        await keep(work, user, session)
        assert await session_of(work, session.id) == session

    async def test_a_session_comes_back_without_what_it_has_not(self, work: IdentityWork) -> None:
        user = a_user()
        session = a_session(user_id=user.id, ip=None, user_agent=None, ended_at=None)
        await keep(work, user, session)
        assert await session_of(work, session.id) == session

    @pytest.mark.parametrize("instant", INSTANTS)
    async def test_an_instant_comes_back_equal(self, work: IdentityWork, instant: datetime) -> None:
        user = a_user()
        session = a_session(
            user_id=user.id,
            created_at=instant,
            last_used_at=instant,
            idle_expires_at=instant,
            expires_at=instant,
            ended_at=instant,
        )
        await keep(work, user, session)
        assert await session_of(work, session.id) == session

    @pytest.mark.parametrize("instant", INSTANTS)
    async def test_an_instant_comes_back_in_utc(
        self, work: IdentityWork, instant: datetime
    ) -> None:
        user = a_user()
        session = a_session(user_id=user.id, expires_at=instant)
        await keep(work, user, session)
        found = await session_of(work, session.id)
        assert found is not None
        assert found.expires_at.utcoffset() == timedelta(0)

    @pytest.mark.parametrize("text", STORABLE_TEXTS)
    async def test_a_text_comes_back_as_it_was(self, work: IdentityWork, text: str) -> None:
        user = a_user()
        session = a_session(user_id=user.id, ip=text, user_agent=text)
        await keep(work, user, session)
        assert await session_of(work, session.id) == session

    async def test_texts_as_long_as_their_bounds_are_kept(self, work: IdentityWork) -> None:
        user = a_user()
        session = a_session(
            user_id=user.id,
            ip="\U0001f642" * storage.IP,
            user_agent="\U0001f642" * storage.USER_AGENT,
        )
        await keep(work, user, session)
        assert await session_of(work, session.id) == session

    @pytest.mark.parametrize(
        "changes",
        [
            pytest.param({"ip": "a" * (storage.IP + 1)}, id="ip"),
            pytest.param({"user_agent": "a" * (storage.USER_AGENT + 1)}, id="user_agent"),
        ],
    )
    async def test_a_text_longer_than_its_bound_is_refused(
        self, work: IdentityWork, changes: dict[str, Any]
    ) -> None:
        user = a_user()
        session = replace(a_session(user_id=user.id), **changes)
        await keep(work, user)
        async with work() as uow:
            with pytest.raises(UnstorableText):
                await uow.sessions.add(session=session)
        assert await session_of(work, session.id) is None

    async def test_the_longest_user_agent_that_is_kept_of_an_attempt_is_kept_here(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        session = a_session(user_id=user.id, user_agent="\U0001f642" * 512)
        await keep(work, user, session)
        assert await session_of(work, session.id) == session

    @pytest.mark.parametrize("text", UNSTORABLE_TEXTS)
    @pytest.mark.parametrize(
        "session_with",
        [
            pytest.param(lambda user_id, text: a_session(user_id=user_id, ip=text), id="ip"),
            pytest.param(
                lambda user_id, text: a_session(user_id=user_id, user_agent=text), id="user_agent"
            ),
        ],
    )
    async def test_a_text_that_cannot_be_stored_is_refused(
        self, work: IdentityWork, session_with: Callable[[UUID, str], Session], text: str
    ) -> None:
        user = a_user()
        session = session_with(user.id, text)
        await keep(work, user)
        async with work() as uow:
            with pytest.raises(UnstorableText):
                await uow.sessions.add(session=session)
        assert await session_of(work, session.id) is None

    async def test_an_unknown_id_is_no_session(self, work: IdentityWork) -> None:
        assert await session_of(work, new_id()) is None

    async def test_a_session_of_nobody_is_refused(self, work: IdentityWork) -> None:
        await keep(work, a_user())
        async with work() as uow:
            with pytest.raises(UnknownUser):
                await uow.sessions.add(session=a_session(user_id=new_id()))

    async def test_a_session_opens_in_the_unit_of_work_that_adds_its_user(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        session = a_session(user_id=user.id)
        async with work() as uow:
            await uow.users.add(user=user)
            await uow.sessions.add(session=session)
            assert await uow.sessions.get(session_id=session.id) == session

    async def test_a_user_has_as_many_sessions_as_were_opened(self, work: IdentityWork) -> None:
        user = a_user()
        sessions = [a_session(user_id=user.id) for _ in range(3)]
        await keep(work, user, *sessions)
        assert [await session_of(work, session.id) for session in sessions] == sessions

    async def test_replacing_a_user_leaves_their_sessions(self, work: IdentityWork) -> None:
        user = a_user()
        session = a_session(user_id=user.id)
        await keep(work, user, session)
        async with work() as uow:
            await uow.users.replace(user=replace(user, disabled=True))
            await uow.commit()
        assert await session_of(work, session.id) == session

    async def test_using_a_session_says_when_and_until_when(self, work: IdentityWork) -> None:
        user = a_user()
        session = a_session(user_id=user.id)
        await keep(work, user, session)
        async with work() as uow:
            await uow.sessions.use(session_id=session.id, at=at(3), idle_expires_at=at(8))
            await uow.commit()
        assert await session_of(work, session.id) == replace(
            session, last_used_at=at(3), idle_expires_at=at(8)
        )

    async def test_using_a_session_leaves_the_others(self, work: IdentityWork) -> None:
        user = a_user()
        session, other = a_session(user_id=user.id), a_session(user_id=user.id)
        await keep(work, user, session, other)
        async with work() as uow:
            await uow.sessions.use(session_id=session.id, at=at(3), idle_expires_at=at(8))
            await uow.commit()
        assert await session_of(work, other.id) == other

    async def test_a_clock_that_went_back_is_believed_when_a_session_is_used(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        session = a_session(user_id=user.id, last_used_at=at(5), idle_expires_at=at(9))
        await keep(work, user, session)
        async with work() as uow:
            await uow.sessions.use(session_id=session.id, at=at(3), idle_expires_at=at(7))
            await uow.commit()
        assert await session_of(work, session.id) == replace(
            session, last_used_at=at(3), idle_expires_at=at(7)
        )

    async def test_using_a_session_that_is_over_says_so_too(self, work: IdentityWork) -> None:
        user = a_user()
        session = a_session(user_id=user.id, ended_at=at(2))
        await keep(work, user, session)
        async with work() as uow:
            await uow.sessions.use(session_id=session.id, at=at(3), idle_expires_at=at(8))
            await uow.commit()
        assert await session_of(work, session.id) == replace(
            session, last_used_at=at(3), idle_expires_at=at(8)
        )

    async def test_using_an_unknown_session_passes(self, work: IdentityWork) -> None:
        user = a_user()
        async with work() as uow:
            await uow.sessions.use(session_id=new_id(), at=at(), idle_expires_at=at(1))
            await uow.users.add(user=user)
            await uow.commit()
        assert await users_of(work) == [user]

    async def test_ending_a_session_says_when(self, work: IdentityWork) -> None:
        user = a_user()
        session = a_session(user_id=user.id, ip="192.0.2.1", user_agent="curl")
        await keep(work, user, session)
        async with work() as uow:
            assert await uow.sessions.end(session_id=session.id, at=at(3)) is True
            await uow.commit()
        assert await session_of(work, session.id) == replace(session, ended_at=at(3))

    async def test_ending_a_session_leaves_the_others(self, work: IdentityWork) -> None:
        user = a_user()
        session, other = a_session(user_id=user.id), a_session(user_id=user.id)
        await keep(work, user, session, other)
        async with work() as uow:
            await uow.sessions.end(session_id=session.id, at=at(3))
            await uow.commit()
        assert await session_of(work, other.id) == other

    async def test_a_session_that_expired_can_still_be_ended(self, work: IdentityWork) -> None:
        user = a_user()
        session = a_session(user_id=user.id, expires_at=at(1))
        await keep(work, user, session)
        async with work() as uow:
            assert await uow.sessions.end(session_id=session.id, at=at(9)) is True

    async def test_an_unknown_session_does_not_end(self, work: IdentityWork) -> None:
        async with work() as uow:
            assert await uow.sessions.end(session_id=new_id(), at=at()) is False

    async def test_after_a_session_that_did_not_end_the_unit_of_work_goes_on(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        async with work() as uow:
            await uow.sessions.end(session_id=new_id(), at=at())
            await uow.users.add(user=user)
            await uow.commit()
        assert await users_of(work) == [user]

    async def test_a_session_does_not_end_twice(self, work: IdentityWork) -> None:
        user = a_user()
        session = a_session(user_id=user.id, ended_at=at(3))
        await keep(work, user, session)
        async with work() as uow:
            assert await uow.sessions.end(session_id=session.id, at=at(4)) is False

    async def test_a_session_stays_ended_when_it_was(self, work: IdentityWork) -> None:
        user = a_user()
        session = a_session(user_id=user.id, ended_at=at(3))
        await keep(work, user, session)
        async with work() as uow:
            await uow.sessions.end(session_id=session.id, at=at(4))
            await uow.commit()
        assert await session_of(work, session.id) == session

    async def test_of_two_who_end_a_session_at_once_the_first_does(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        session = a_session(user_id=user.id)
        await keep(work, user, session)
        ended: list[bool] = []

        async def end(uow: IdentityUnitOfWork, minutes: int) -> None:
            ended.append(await uow.sessions.end(session_id=session.id, at=at(minutes)))

        await race(
            work,
            first=lambda uow: end(uow, 1),
            meanwhile=look_around,
            last=commit,
            second=lambda uow: end(uow, 2),
        )
        assert ended == [True, False]

    async def test_all_sessions_of_a_user_end_but_one(self, work: IdentityWork) -> None:
        user = a_user()
        sessions = [a_session(user_id=user.id) for _ in range(4)]
        await keep(work, user, *sessions)
        async with work() as uow:
            await uow.sessions.end_all(user_id=user.id, except_id=sessions[2].id, at=at(5))
            await uow.commit()
        assert [await session_of(work, session.id) for session in sessions] == [
            session if session == sessions[2] else replace(session, ended_at=at(5))
            for session in sessions
        ]

    async def test_all_sessions_of_a_user_end_without_exception(self, work: IdentityWork) -> None:
        user = a_user()
        sessions = [a_session(user_id=user.id) for _ in range(3)]
        await keep(work, user, *sessions)
        async with work() as uow:
            await uow.sessions.end_all(user_id=user.id, except_id=None, at=at(5))
            await uow.commit()
        assert [await session_of(work, session.id) for session in sessions] == [
            replace(session, ended_at=at(5)) for session in sessions
        ]

    async def test_ending_all_sessions_counts_those_that_ended_now(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        kept = a_session(user_id=user.id)
        over = a_session(user_id=user.id, ended_at=at(1))
        expired = a_session(user_id=user.id, expires_at=at(1))
        await keep(work, user, kept, over, expired, a_session(user_id=user.id))
        async with work() as uow:
            ended = await uow.sessions.end_all(user_id=user.id, except_id=kept.id, at=at(5))
        assert ended == 2

    async def test_ending_all_sessions_leaves_those_that_had_ended(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        over = a_session(user_id=user.id, ended_at=at(1))
        await keep(work, user, over)
        async with work() as uow:
            await uow.sessions.end_all(user_id=user.id, except_id=None, at=at(5))
            await uow.commit()
        assert await session_of(work, over.id) == over

    async def test_ending_all_sessions_leaves_those_of_others(self, work: IdentityWork) -> None:
        user, other = a_user(), a_user()
        session = a_session(user_id=other.id)
        await keep(work, user, other, a_session(user_id=user.id), session)
        async with work() as uow:
            await uow.sessions.end_all(user_id=user.id, except_id=None, at=at(5))
            await uow.commit()
        assert await session_of(work, session.id) == session

    async def test_of_two_who_end_all_sessions_at_once_the_first_does(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        sessions = [a_session(user_id=user.id) for _ in range(3)]
        await keep(work, user, *sessions)
        ended: list[int] = []

        async def end(uow: IdentityUnitOfWork, minutes: int) -> None:
            ended.append(
                await uow.sessions.end_all(user_id=user.id, except_id=None, at=at(minutes))
            )

        await race(
            work,
            first=lambda uow: end(uow, 1),
            meanwhile=look_around,
            last=commit,
            second=lambda uow: end(uow, 2),
        )
        assert ended == [3, 0]

    @pytest.mark.parametrize("except_id", [None, SPREAD_IDS[0]])
    async def test_where_no_session_is_none_ends(
        self, work: IdentityWork, except_id: UUID | None
    ) -> None:
        async with work() as uow:
            ended = await uow.sessions.end_all(user_id=new_id(), except_id=except_id, at=at())
        assert ended == 0

    async def test_a_session_excepted_that_is_not_the_users_excepts_none(
        self, work: IdentityWork
    ) -> None:
        user, other = a_user(), a_user()
        theirs = a_session(user_id=other.id)
        await keep(work, user, other, theirs, a_session(user_id=user.id))
        async with work() as uow:
            ended = await uow.sessions.end_all(user_id=user.id, except_id=theirs.id, at=at())
        assert ended == 1

    async def test_who_has_no_session_has_an_empty_page(self, work: IdentityWork) -> None:
        user, other = a_user(), a_user()
        await keep(work, user, other, a_session(user_id=other.id))
        assert await sessions_of(work, user) == []

    async def test_sessions_of_a_user_are_listed_from_the_greatest_id(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        sessions = [
            a_session(session_id=session_id, user_id=user.id, expires_at=at(5))
            for session_id in SPREAD_IDS
        ]
        await keep(work, user, *sessions[::2], *sessions[1::2])
        assert await sessions_of(work, user) == sessions[::-1]

    async def test_a_session_is_listed_with_every_field(self, work: IdentityWork) -> None:
        user = a_user()
        session = a_session(
            user_id=user.id,
            created_at=at(0),
            last_used_at=at(1),
            idle_expires_at=at(4),
            expires_at=at(5),
            ip="2001:db8::1",
            user_agent="ccxt/4.5 (Linux)",
        )
        await keep(work, user, session)
        assert await sessions_of(work, user, now=at(2)) == [session]

    async def test_a_session_is_listed_until_just_before_it_is_over(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        idle = a_session(user_id=user.id, idle_expires_at=at(1), expires_at=at(9))
        old = a_session(user_id=user.id, idle_expires_at=at(9), expires_at=at(1))
        ended = a_session(user_id=user.id, idle_expires_at=at(9), expires_at=at(9), ended_at=at(8))
        await keep(work, user, idle, old, ended)
        moment = timedelta(microseconds=1)
        listed = [await sessions_of(work, user, now=now) for now in (at(1) - moment, at(1))]
        assert listed == [[old, idle], []]

    async def test_it_is_the_same_moment_in_whatever_zone_it_is_written(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        live = a_session(user_id=user.id, idle_expires_at=at(2), expires_at=at(2))
        over = a_session(user_id=user.id, idle_expires_at=at(1), expires_at=at(2))
        await keep(work, user, live, over)
        assert await sessions_of(work, user, now=at(1).astimezone(SEOUL)) == [live]

    @pytest.mark.parametrize("limit", [0, 1, 2, 3, 4])
    async def test_a_page_of_sessions_has_at_most_its_limit(
        self, work: IdentityWork, limit: int
    ) -> None:
        user = a_user()
        sessions = [a_session(user_id=user.id, expires_at=at(5)) for _ in range(3)]
        await keep(work, user, *sessions)
        assert await sessions_of(work, user, limit=limit) == sessions[::-1][:limit]

    async def test_pages_have_every_session_of_a_user_once(self, work: IdentityWork) -> None:
        user, other = a_user(), a_user()
        mine = [a_session(user_id=user.id, expires_at=at(5)) for _ in range(5)]
        theirs = [a_session(user_id=other.id, expires_at=at(5)) for _ in range(5)]
        over = a_session(user_id=user.id, expires_at=at(5), ended_at=at())
        await keep(work, user, other, *mine, *theirs, over)
        seen: list[Session] = []
        while page := await sessions_of(work, user, before=seen[-1].id if seen else None, limit=2):
            seen += page
        assert seen == mine[::-1]

    async def test_a_session_is_listed_in_the_unit_of_work_that_opened_it(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        session = a_session(user_id=user.id, expires_at=at(5))
        async with work() as uow:
            await uow.users.add(user=user)
            await uow.sessions.add(session=session)
            listed = await uow.sessions.page_of_user(
                user_id=user.id, now=at(), before=None, limit=9
            )
        assert (listed, await sessions_of(work, user)) == ([session], [])


class RefreshTokensContract:
    port: ClassVar[type] = RefreshTokens
    adapter: ClassVar[type]

    async def test_what_is_tested_is_the_adapter_that_is_named(self, work: IdentityWork) -> None:
        async with work() as uow:
            assert type(uow.refresh_tokens) is self.adapter

    @pytest.mark.parametrize("used_at", [None, at(1)], ids=["unused", "used"])
    async def test_a_token_comes_back_with_every_field(
        self, work: IdentityWork, used_at: datetime | None
    ) -> None:
        user = a_user()
        session = a_session(user_id=user.id)
        token = a_refresh_token(session_id=session.id, issued_at=at(0), used_at=used_at)
        await keep(work, user, session, token)
        assert await token_of(work, token.digest) == token

    @pytest.mark.parametrize("instant", INSTANTS)
    async def test_an_instant_comes_back_equal(self, work: IdentityWork, instant: datetime) -> None:
        user = a_user()
        session = a_session(user_id=user.id)
        token = a_refresh_token(session_id=session.id, issued_at=instant, used_at=instant)
        await keep(work, user, session, token)
        assert await token_of(work, token.digest) == token

    @pytest.mark.parametrize("instant", INSTANTS)
    async def test_an_instant_comes_back_in_utc(
        self, work: IdentityWork, instant: datetime
    ) -> None:
        user = a_user()
        session = a_session(user_id=user.id)
        token = a_refresh_token(session_id=session.id, issued_at=instant)
        await keep(work, user, session, token)
        found = await token_of(work, token.digest)
        assert found is not None
        assert found.issued_at.utcoffset() == timedelta(0)

    @pytest.mark.parametrize("digest", UNSTORABLE_TEXTS)
    async def test_a_digest_that_cannot_be_stored_is_refused(
        self, work: IdentityWork, digest: str
    ) -> None:
        user = a_user()
        session = a_session(user_id=user.id)
        await keep(work, user, session)
        async with work() as uow:
            with pytest.raises(UnstorableText):
                await uow.refresh_tokens.add(
                    token=a_refresh_token(digest=digest, session_id=session.id)
                )

    async def test_a_digest_as_long_as_its_bound_is_kept(self, work: IdentityWork) -> None:
        user = a_user()
        session = a_session(user_id=user.id)
        token = a_refresh_token(digest="a" * storage.REFRESH_DIGEST, session_id=session.id)
        await keep(work, user, session, token)
        assert await token_of(work, token.digest) == token

    @pytest.mark.parametrize(
        "digest",
        [
            pytest.param("abc", id="a-beginning"),
            pytest.param("ABCD", id="upper"),
            pytest.param("abcd ", id="a-blank-behind"),
            pytest.param("%", id="a-wildcard"),
            pytest.param("", id="empty"),
            pytest.param("abcd\0", id="a-nul"),
            pytest.param("abcd\ud800", id="a-lone-surrogate"),
            pytest.param("abcd" * 20_000, id="over-long"),
        ],
    )
    async def test_a_digest_that_no_token_has_is_nobodys(
        self, work: IdentityWork, digest: str
    ) -> None:
        user = a_user()
        session = a_session(user_id=user.id)
        await keep(work, user, session, a_refresh_token(digest="abcd", session_id=session.id))
        assert await token_of(work, digest) is None

    @pytest.mark.parametrize("digest", UNSTORABLE_TEXTS)
    async def test_after_a_digest_that_nobody_can_have_the_unit_of_work_goes_on(
        self, work: IdentityWork, digest: str
    ) -> None:
        user = a_user()
        async with work() as uow:
            await uow.refresh_tokens.hold(digest=digest)
            await uow.users.add(user=user)
            await uow.commit()
        assert await users_of(work) == [user]

    async def test_an_unknown_digest_is_no_token(self, work: IdentityWork) -> None:
        assert await token_of(work, a_refresh_token().digest) is None

    async def test_a_session_has_as_many_tokens_as_were_issued(self, work: IdentityWork) -> None:
        user = a_user()
        session = a_session(user_id=user.id)
        tokens = [a_refresh_token(session_id=session.id) for _ in range(3)]
        await keep(work, user, session, *tokens)
        assert [await token_of(work, token.digest) for token in tokens] == tokens

    async def test_a_token_is_read_in_the_unit_of_work_that_issued_it(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        session = a_session(user_id=user.id)
        token = a_refresh_token(session_id=session.id)
        async with work() as uow:
            await uow.users.add(user=user)
            await uow.sessions.add(session=session)
            await uow.refresh_tokens.add(token=token)
            assert await uow.refresh_tokens.hold(digest=token.digest) == token

    async def test_using_a_token_says_when(self, work: IdentityWork) -> None:
        user = a_user()
        session = a_session(user_id=user.id)
        token = a_refresh_token(session_id=session.id)
        await keep(work, user, session, token)
        async with work() as uow:
            await uow.refresh_tokens.use(digest=token.digest, at=at(3))
            await uow.commit()
        assert await token_of(work, token.digest) == replace(token, used_at=at(3))

    async def test_using_a_token_again_says_when_again(self, work: IdentityWork) -> None:
        user = a_user()
        session = a_session(user_id=user.id)
        token = a_refresh_token(session_id=session.id, used_at=at(3))
        await keep(work, user, session, token)
        async with work() as uow:
            await uow.refresh_tokens.use(digest=token.digest, at=at(4))
            await uow.commit()
        assert await token_of(work, token.digest) == replace(token, used_at=at(4))

    async def test_using_a_token_leaves_the_others(self, work: IdentityWork) -> None:
        user = a_user()
        session = a_session(user_id=user.id)
        token, other = (a_refresh_token(session_id=session.id) for _ in range(2))
        await keep(work, user, session, token, other)
        async with work() as uow:
            await uow.refresh_tokens.use(digest=token.digest, at=at(3))
            await uow.commit()
        assert await token_of(work, other.digest) == other

    async def test_using_an_unknown_token_passes(self, work: IdentityWork) -> None:
        user = a_user()
        async with work() as uow:
            await uow.refresh_tokens.use(digest=a_refresh_token().digest, at=at())
            await uow.users.add(user=user)
            await uow.commit()
        assert await users_of(work) == [user]

    @pytest.mark.parametrize("digest", UNSTORABLE_TEXTS)
    async def test_using_a_token_that_nobody_can_have_passes(
        self, work: IdentityWork, digest: str
    ) -> None:
        user = a_user()
        async with work() as uow:
            await uow.refresh_tokens.use(digest=digest, at=at())
            await uow.users.add(user=user)
            await uow.commit()
        assert await users_of(work) == [user]

    async def test_ending_a_session_leaves_its_tokens(self, work: IdentityWork) -> None:
        user = a_user()
        session = a_session(user_id=user.id)
        token = a_refresh_token(session_id=session.id)
        await keep(work, user, session, token)
        async with work() as uow:
            await uow.sessions.end(session_id=session.id, at=at(3))
            await uow.commit()
        assert await token_of(work, token.digest) == token

    async def test_a_token_whose_use_was_not_kept_is_unused(self, work: IdentityWork) -> None:
        user = a_user()
        session = a_session(user_id=user.id)
        token = a_refresh_token(session_id=session.id)
        await keep(work, user, session, token)
        async with work() as uow:
            await uow.refresh_tokens.use(digest=token.digest, at=at(3))
        assert await token_of(work, token.digest) == token

    async def test_a_token_that_was_not_kept_is_unknown(self, work: IdentityWork) -> None:
        user = a_user()
        session = a_session(user_id=user.id)
        token = a_refresh_token(session_id=session.id)
        await keep(work, user, session)
        async with work() as uow:
            await uow.refresh_tokens.add(token=token)
        assert await token_of(work, token.digest) is None

    async def test_a_second_who_holds_the_token_waits(self, work: IdentityWork) -> None:
        user = a_user()
        session = a_session(user_id=user.id)
        token = a_refresh_token(session_id=session.id)
        await keep(work, user, session, token)
        through = await race(
            work,
            first=lambda uow: uow.refresh_tokens.hold(digest=token.digest),
            meanwhile=look_around,
            last=commit,
            second=lambda uow: uow.refresh_tokens.hold(digest=token.digest),
        )
        assert through == ["first", "second"]

    async def test_whoever_held_the_token_later_sees_that_it_was_used(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        session = a_session(user_id=user.id)
        token = a_refresh_token(session_id=session.id)
        await keep(work, user, session, token)
        seen: list[RefreshToken | None] = []

        async def hold_and_use(uow: IdentityUnitOfWork) -> None:
            await uow.refresh_tokens.hold(digest=token.digest)
            await uow.refresh_tokens.use(digest=token.digest, at=at(3))

        async def hold(uow: IdentityUnitOfWork) -> None:
            seen.append(await uow.refresh_tokens.hold(digest=token.digest))

        await race(work, first=hold_and_use, meanwhile=look_around, last=commit, second=hold)
        assert seen == [replace(token, used_at=at(3))]


UNKNOWN = UUID(int=0)
A_FACTOR = a_second_factor(user_id=UNKNOWN)
A_CHALLENGE = a_challenge(user_id=UNKNOWN)

LONG_AGO = at(-60 * 24 * 365 * 20)

OPERATIONS: dict[str, Operation] = {
    "users.add": lambda uow: uow.users.add(user=a_user()),
    "users.get": lambda uow: uow.users.get(user_id=UNKNOWN),
    "users.by_usernames-nobodys": lambda uow: uow.users.by_usernames(username_keys=["a\0b"]),
    "refresh_tokens.hold-nobodys": lambda uow: uow.refresh_tokens.hold(digest="a\0b"),
    "refresh_tokens.use-nobodys": lambda uow: uow.refresh_tokens.use(digest="a\0b", at=at()),
    "users.by_usernames": lambda uow: uow.users.by_usernames(username_keys=["a"]),
    "users.hold": lambda uow: uow.users.hold(user_id=UNKNOWN),
    "users.replace": lambda uow: uow.users.replace(user=a_user()),
    "users.page": lambda uow: uow.users.page(after=None, limit=1),
    "login_log.append": lambda uow: uow.login_log.append(attempts=[an_attempt()]),
    "login_log.settle": lambda uow: uow.login_log.settle(attempts=[an_attempt()]),
    "login_log.page": lambda uow: uow.login_log.page(
        matching=LoginLogFilter(), before=None, limit=1
    ),
    "origins.see": lambda uow: uow.origins.see(
        user_id=UNKNOWN, network="192.0.2.1", client="curl", at=at()
    ),
    "findings.find": lambda uow: uow.findings.find(
        kind=FindingKind.SPRAY, since=at(), until=at(), least=1, limit=1
    ),
    "upkeep.make_months": lambda uow: uow.upkeep.make_months(months=[]),
    "upkeep.prune": lambda uow: uow.upkeep.prune(before=LONG_AGO, limit=1),
    "origins.last_successes": lambda uow: uow.origins.last_successes(
        pairs=[(UNKNOWN, "192.0.2.1")]
    ),
    "origins.last_successes-nothing": lambda uow: uow.origins.last_successes(pairs=[]),
    "sessions.add": lambda uow: uow.sessions.add(session=a_session()),
    "sessions.get": lambda uow: uow.sessions.get(session_id=UNKNOWN),
    "sessions.end": lambda uow: uow.sessions.end(session_id=UNKNOWN, at=at()),
    "sessions.end_all": lambda uow: uow.sessions.end_all(user_id=UNKNOWN, except_id=None, at=at()),
    "sessions.use": lambda uow: uow.sessions.use(session_id=UNKNOWN, at=at(), idle_expires_at=at()),
    "refresh_tokens.add": lambda uow: uow.refresh_tokens.add(token=a_refresh_token()),
    "refresh_tokens.hold": lambda uow: uow.refresh_tokens.hold(digest="0"),
    "refresh_tokens.use": lambda uow: uow.refresh_tokens.use(digest="0", at=at()),
    "throttle.hold": lambda uow: uow.throttle.hold(keys=["one"]),
    "throttle.hold-nothing": lambda uow: uow.throttle.hold(keys=[]),
    "throttle.taken": lambda uow: uow.throttle.taken(keys=[], now=at(), pending_since=at()),
    "throttle.take-nothing": lambda uow: uow.throttle.take(slots={UNKNOWN: []}, at=at()),
    "throttle.keep-nothing": lambda uow: uow.throttle.keep(slots={UNKNOWN: []}),
    "throttle.give_back-nothing": lambda uow: uow.throttle.give_back(slots={}),
    "login_log.append-nothing": lambda uow: uow.login_log.append(attempts=[]),
    "login_log.settle-nothing": lambda uow: uow.login_log.settle(attempts=[]),
    "throttle.prune": lambda uow: uow.throttle.prune(now=at(), limit=1),
    "api_keys.add": lambda uow: uow.api_keys.add(api_key=an_api_key()),
    "api_keys.with_owner": lambda uow: uow.api_keys.with_owner(key_id=UNKNOWN),
    "api_keys.hold": lambda uow: uow.api_keys.hold(key_id=UNKNOWN),
    "api_keys.replace": lambda uow: uow.api_keys.replace(api_key=an_api_key()),
    "api_keys.use": lambda uow: uow.api_keys.use(key_id=UNKNOWN, at=at(), ip=None),
    "api_keys.count_live": lambda uow: uow.api_keys.count_live(user_id=UNKNOWN, at=at()),
    "api_keys.page": lambda uow: uow.api_keys.page(user_id=None, before=None, limit=1),
    "second_factors.put": lambda uow: uow.second_factors.put(factor=A_FACTOR),
    "second_factors.get": lambda uow: uow.second_factors.get(user_id=UNKNOWN),
    "second_factors.use_step": lambda uow: uow.second_factors.use_step(user_id=UNKNOWN, step=1),
    "second_factors.remove": lambda uow: uow.second_factors.remove(user_id=UNKNOWN),
    "second_factors.put_recovery_codes": lambda uow: uow.second_factors.put_recovery_codes(
        user_id=UNKNOWN, digests=["0"]
    ),
    "second_factors.use_recovery_code": lambda uow: uow.second_factors.use_recovery_code(
        user_id=UNKNOWN, digest="0", at=at()
    ),
    "second_factors.use_recovery_code-nobodys": lambda uow: uow.second_factors.use_recovery_code(
        user_id=UNKNOWN, digest="a\0b", at=at()
    ),
    "second_factors.count_recovery_codes": lambda uow: uow.second_factors.count_recovery_codes(
        user_id=UNKNOWN
    ),
    "mfa_challenges.add": lambda uow: uow.mfa_challenges.add(challenge=A_CHALLENGE),
    "mfa_challenges.hold": lambda uow: uow.mfa_challenges.hold(digest="0"),
    "mfa_challenges.hold-nobodys": lambda uow: uow.mfa_challenges.hold(digest="a\0b"),
    "mfa_challenges.replace": lambda uow: uow.mfa_challenges.replace(challenge=A_CHALLENGE),
    "mfa_challenges.replace-nobodys": lambda uow: uow.mfa_challenges.replace(
        challenge=a_challenge(user_id=UNKNOWN, digest="a\0b")
    ),
    "mfa_challenges.remove_expired": lambda uow: uow.mfa_challenges.remove_expired(
        user_id=UNKNOWN, until=at()
    ),
    "commit": lambda uow: uow.commit(),
}

KNOWN = a_user(username="known", email="known@example.com")
OTHER = a_user(username="other", email="other@example.com")
PENDING = an_attempt()
SESSION = a_session(user_id=KNOWN.id)
TOKEN = a_refresh_token(session_id=SESSION.id)
API_KEY = an_api_key(user_id=KNOWN.id)
NEW_API_KEY = an_api_key(user_id=KNOWN.id)
NEW_SESSION = a_session(user_id=KNOWN.id)
NEW_TOKEN = a_refresh_token(session_id=SESSION.id)
NEW_CHALLENGE = a_challenge(user_id=KNOWN.id)
"""What is there before each write and each refusal below, and what is not."""

WRITES: dict[str, Operation] = {
    "users.add": lambda uow: uow.users.add(user=a_user()),
    "users.replace": lambda uow: uow.users.replace(user=replace(KNOWN, disabled=True)),
    "login_log.append": lambda uow: uow.login_log.append(attempts=[an_attempt()]),
    "login_log.settle": lambda uow: uow.login_log.settle(
        attempts=[PENDING.settled(at=at(1), reason=None)]
    ),
    "origins.see": lambda uow: uow.origins.see(
        user_id=KNOWN.id, network="192.0.2.1", client="curl", at=at(1)
    ),
    "sessions.add": lambda uow: uow.sessions.add(session=NEW_SESSION),
    "sessions.use": lambda uow: uow.sessions.use(
        session_id=SESSION.id, at=at(1), idle_expires_at=at(2)
    ),
    "sessions.end": lambda uow: uow.sessions.end(session_id=SESSION.id, at=at(1)),
    "sessions.end_all": lambda uow: uow.sessions.end_all(
        user_id=KNOWN.id, except_id=None, at=at(1)
    ),
    "refresh_tokens.add": lambda uow: uow.refresh_tokens.add(token=NEW_TOKEN),
    "refresh_tokens.use": lambda uow: uow.refresh_tokens.use(digest=TOKEN.digest, at=at(1)),
    "throttle.take": lambda uow: uow.throttle.take(slots={UNKNOWN: [Slot("one", at(1))]}, at=at()),
    "api_keys.add": lambda uow: uow.api_keys.add(api_key=NEW_API_KEY),
    "api_keys.replace": lambda uow: uow.api_keys.replace(api_key=replace(API_KEY, name="new")),
    "api_keys.use": lambda uow: uow.api_keys.use(key_id=API_KEY.id, at=at(1), ip=None),
    "second_factors.put": lambda uow: uow.second_factors.put(
        factor=a_second_factor(user_id=KNOWN.id)
    ),
    "second_factors.put_recovery_codes": lambda uow: uow.second_factors.put_recovery_codes(
        user_id=KNOWN.id, digests=["0"]
    ),
    "mfa_challenges.add": lambda uow: uow.mfa_challenges.add(challenge=NEW_CHALLENGE),
}


REFUSALS: dict[str, tuple[Operation, type[TickgateError]]] = {
    "a-name-taken": (lambda uow: uow.users.add(user=a_user(username="KNOWN")), UsernameTaken),
    "an-address-taken": (
        lambda uow: uow.users.add(user=a_user(email="KNOWN@example.com")),
        EmailTaken,
    ),
    "a-user-with-a-nul": (
        lambda uow: uow.users.add(user=a_user(username="a\x00b")),
        UnstorableText,
    ),
    "a-name-taken-by-replacing": (
        lambda uow: uow.users.replace(user=replace(OTHER, username="KNOWN")),
        UsernameTaken,
    ),
    "an-address-taken-by-replacing": (
        lambda uow: uow.users.replace(user=replace(OTHER, email="KNOWN@example.com")),
        EmailTaken,
    ),
    "nobody-replaced": (lambda uow: uow.users.replace(user=a_user()), UnknownUser),
    "a-user-replaced-by-one-with-a-surrogate": (
        lambda uow: uow.users.replace(user=replace(OTHER, password_hash="a\ud800b")),
        UnstorableText,
    ),
    "an-attempt-with-an-over-long-text": (
        lambda uow: uow.login_log.append(attempts=[an_attempt(user_agent="a" * 100000)]),
        UnstorableText,
    ),
    "an-attempt-not-pending": (
        lambda uow: uow.login_log.settle(attempts=[an_attempt()]),
        AttemptNotPending,
    ),
    "an-attempt-looked-for-by-a-name-with-a-nul": (
        lambda uow: uow.login_log.page(
            matching=LoginLogFilter(username_key="a\x00b"), before=None, limit=1
        ),
        UnstorableText,
    ),
    "a-network-with-a-nul": (
        lambda uow: uow.origins.see(user_id=UNKNOWN, network="a\x00b", client=None, at=at()),
        UnstorableText,
    ),
    "a-token-with-an-over-long-digest": (
        lambda uow: uow.refresh_tokens.add(
            token=a_refresh_token(digest="a" * 100000, session_id=SESSION.id)
        ),
        UnstorableText,
    ),
    "a-session-of-nobody": (lambda uow: uow.sessions.add(session=a_session()), UnknownUser),
    "a-session-with-a-nul": (
        lambda uow: uow.sessions.add(session=a_session(user_id=KNOWN.id, user_agent="a\x00b")),
        UnstorableText,
    ),
    "an-api-key-of-nobody": (lambda uow: uow.api_keys.add(api_key=an_api_key()), UnknownUser),
    "an-api-key-with-a-nul": (
        lambda uow: uow.api_keys.add(api_key=an_api_key(user_id=KNOWN.id, name="a\x00b")),
        UnstorableText,
    ),
    "no-api-key-replaced": (
        lambda uow: uow.api_keys.replace(api_key=an_api_key(user_id=KNOWN.id)),
        UnknownApiKey,
    ),
    "an-api-key-replaced-by-one-with-a-nul": (
        lambda uow: uow.api_keys.replace(api_key=replace(API_KEY, name="a\x00b")),
        UnstorableText,
    ),
    "an-api-key-used-from-an-over-long-address": (
        lambda uow: uow.api_keys.use(key_id=API_KEY.id, at=at(), ip="a" * 100000),
        UnstorableText,
    ),
}


class IdentityUnitOfWorkContract(UnitOfWorkContract):
    port: ClassVar[type] = IdentityUnitOfWork
    OPERATIONS: ClassVar = OPERATIONS
    WRITES: ClassVar = WRITES
    REFUSALS: ClassVar = REFUSALS

    async def before(self, work: IdentityWork) -> object:
        await keep(work, KNOWN, OTHER, PENDING, SESSION, TOKEN, API_KEY)
        return await self.seen(work)

    async def seen(self, work: IdentityWork) -> object:
        return (
            await users_of(work),
            await log_of(work),
            [await session_of(work, session.id) for session in (SESSION, NEW_SESSION)],
            await last_success_of(work, KNOWN.id, "192.0.2.1"),
            await taken_of(work, "one"),
            await api_keys_of(work),
            await second_factor_of(work, KNOWN.id),
        )

    async def held(self, work: IdentityWork) -> object:
        async with work() as uow:
            challenge = await uow.mfa_challenges.hold(digest=NEW_CHALLENGE.digest)
        return [challenge, *[await token_of(work, token.digest) for token in (TOKEN, NEW_TOKEN)]]

    async def write(self, uow: IdentityUnitOfWork) -> None:
        await uow.users.add(user=a_user(username="new"))

    async def refused(self, uow: IdentityUnitOfWork) -> None:
        await uow.users.replace(user=a_user())

    async def test_what_is_committed_is_kept_of_every_kind(self, work: IdentityWork) -> None:
        user, attempt = a_user(), an_attempt()
        session = a_session(user_id=user.id)
        token = a_refresh_token(session_id=session.id)
        await keep(work, user, attempt, session, token)
        assert await users_of(work) == [user]
        assert await log_of(work) == [attempt]
        assert await session_of(work, session.id) == session
        assert await token_of(work, token.digest) == token

    async def test_leaving_without_commit_keeps_nothing_of_any_kind(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        session = a_session(user_id=user.id)
        token = a_refresh_token(session_id=session.id)
        async with work() as uow:
            await uow.users.add(user=user)
            await uow.login_log.append(attempts=[an_attempt()])
            await uow.sessions.add(session=session)
            await uow.refresh_tokens.add(token=token)
        assert await users_of(work) == []
        assert await log_of(work) == []
        assert await session_of(work, session.id) is None
        assert await token_of(work, token.digest) is None

    async def test_a_unit_of_work_reads_its_own_writes(self, work: IdentityWork) -> None:
        user, attempt = a_user(username="Alice"), an_attempt()
        async with work() as uow:
            await uow.users.add(user=user)
            await uow.login_log.append(attempts=[attempt])
            assert await uow.users.get(user_id=user.id) == user
            assert await uow.users.by_usernames(username_keys=["alice"]) == {"alice": user}
            assert await uow.users.page(after=None, limit=10) == [user]
            assert await uow.login_log.page(matching=LoginLogFilter(), before=None, limit=10) == [
                attempt
            ]
