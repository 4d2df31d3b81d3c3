from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import count
from uuid import UUID

import pytest

from app.adapters.memory.identity.security import FastHasher
from app.adapters.memory.identity.unit_of_work import MemoryIdentityUnitOfWork
from app.adapters.memory.system import SequentialSecrets
from app.domain.errors import StoreUnavailable, TickgateError
from app.domain.identity.errors import (
    EmailTaken,
    HasherBusy,
    InvalidCredentials,
    InvalidToken,
    InvalidUser,
    UnknownUser,
    UsernameTaken,
    WeakPassword,
    WrongPassword,
)
from app.domain.identity.login_log import Client, FailReason
from app.domain.identity.users import User
from app.domain.principal import Principal, Role
from app.services.identity.auth_service import Login
from app.services.identity.own_password import OwnPassword
from app.services.identity.user_service import UserService
from tests.application import PASSWORD, MemoryApplication
from tests.builders import new_id
from tests.contracts.races import all_at_once

NEW_PASSWORD = "another fine password"
MOMENT = timedelta(microseconds=1)


class MeanwhileHasher(FastHasher):
    """Lets something happen while a new password is hashed."""

    def __init__(self, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    async def hash(self, *, password: str) -> str:
        hashed = await super().hash(password=password)
        await self._meanwhile()
        return hashed


@pytest.fixture
def application() -> MemoryApplication:
    return MemoryApplication()


@pytest.fixture
async def trader(application: MemoryApplication) -> User:
    return await registered(application)


async def registered(
    application: MemoryApplication,
    username: str = "trader",
    password: str = PASSWORD,
    email: str | None = None,
    role: Role = Role.USER,
) -> User:
    return await application.users.create_user(
        username=username, password=password, email=email, role=role
    )


def user_service(application: MemoryApplication, hasher: FastHasher) -> UserService:
    """Give the application's service with another hasher."""
    identity = partial(MemoryIdentityUnitOfWork, application.identity_store)
    return UserService(
        uow=identity,
        reading=identity,
        hasher=hasher,
        own_password=OwnPassword(
            uow=identity,
            hasher=hasher,
            throttling=application.throttling,
            ids=application.ids,
        ),
        common=application.common_passwords,
        clock=application.clock,
        ids=application.ids,
        secrets=SequentialSecrets(),
    )


async def log_in(application: MemoryApplication, password: str = PASSWORD) -> Login:
    return await application.auth.authenticate_user(
        username="trader", password=password, client=Client()
    )


async def principal_of(application: MemoryApplication, login: Login) -> Principal:
    return await application.auth.authenticate_token(token=login.access_token)


async def lives(application: MemoryApplication, login: Login) -> bool:
    try:
        await principal_of(application, login)
    except InvalidToken:
        return False
    return True


def nobody_in(application: MemoryApplication) -> Callable[[], Awaitable[object]]:
    """Empty the store by hand: no use case deletes a user, but whoever runs a database may."""

    async def empty() -> None:
        application.identity_store.committed.users.clear()

    return empty


def users(application: MemoryApplication) -> list[User]:
    return list(application.identity_store.committed.users.values())


# -- registering -------------------------------------------------------------------------------


async def test_a_user_is_registered_as_they_were_described(application: MemoryApplication) -> None:
    user = await registered(application, "Trader", email="Trader@b.example", role=Role.ADMIN)
    now = application.clock.now()
    assert user == User(
        id=user.id,
        username="Trader",
        email="Trader@b.example",
        password_hash=user.password_hash,
        role=Role.ADMIN,
        disabled=False,
        created_at=now,
        password_changed_at=now,
    )


async def test_what_registering_gives_is_what_is_stored(application: MemoryApplication) -> None:
    user = await registered(application)
    assert users(application) == [user]


async def test_a_user_without_a_role_is_no_administrator(application: MemoryApplication) -> None:
    user = await application.users.create_user(username="trader", password=PASSWORD)
    assert user.role is Role.USER


async def test_a_registered_user_can_log_in(application: MemoryApplication) -> None:
    await registered(application)
    assert await lives(application, await log_in(application))


async def test_the_password_itself_is_not_stored(application: MemoryApplication) -> None:
    await registered(application)
    assert PASSWORD not in repr(application.identity_store.committed)


@pytest.mark.parametrize(
    ("username", "password", "email", "error"),
    [
        pytest.param("two words", PASSWORD, None, InvalidUser, id="username"),
        pytest.param("", PASSWORD, None, InvalidUser, id="no-username"),
        pytest.param("other", PASSWORD, "nowhere", InvalidUser, id="address"),
        pytest.param("other", PASSWORD, "", InvalidUser, id="empty-address"),
        pytest.param("other", "short", None, WeakPassword, id="password"),
        pytest.param("other", "\ud800" * 15, None, WeakPassword, id="password-that-is-no-text"),
        pytest.param("other", "k" * 1025, None, WeakPassword, id="endless-password"),
        pytest.param("other", "other" * 4, None, WeakPassword, id="password-that-is-the-name"),
        pytest.param("trader", PASSWORD, None, UsernameTaken, id="taken-username"),
        pytest.param("TRADER", PASSWORD, None, UsernameTaken, id="taken-username-in-capitals"),
        pytest.param("other", PASSWORD, "a@b.example", EmailTaken, id="taken-address"),
        pytest.param("other", PASSWORD, "A@B.Example", EmailTaken, id="taken-address-in-capitals"),
        pytest.param("other", PASSWORD, "\uff41@b.example", EmailTaken, id="taken-address-wide"),
    ],
)
async def test_who_cannot_be_registered_is_refused_and_nothing_changes(
    application: MemoryApplication,
    username: str,
    password: str,
    email: str | None,
    error: type[TickgateError],
) -> None:
    first = await registered(application, email="a@b.example")
    with pytest.raises(error):
        await registered(application, username, password, email)
    assert users(application) == [first]


async def test_users_without_an_address_do_not_collide(application: MemoryApplication) -> None:
    await registered(application, "one")
    await registered(application, "two")
    assert len(users(application)) == 2


async def test_no_hash_is_spent_on_who_cannot_be_registered(
    application: MemoryApplication,
) -> None:
    application.hasher.busy = True
    with pytest.raises(WeakPassword):
        await registered(application, password="short")


async def test_nobody_is_registered_while_the_hasher_is_busy(
    application: MemoryApplication,
) -> None:
    application.hasher.busy = True
    with pytest.raises(HasherBusy):
        await registered(application)
    assert users(application) == []


async def test_of_two_who_want_a_name_at_once_one_gets_it(application: MemoryApplication) -> None:
    refused: list[UsernameTaken] = []

    async def one() -> None:
        try:
            await registered(application)
        except UsernameTaken as error:
            refused.append(error)

    await all_at_once(one, one)
    assert (len(users(application)), len(refused)) == (1, 1)


# -- the first administrator -------------------------------------------------------------------


async def test_where_there_is_nobody_an_administrator_is_made(
    application: MemoryApplication,
) -> None:
    made = await application.users.create_first_admin()
    assert made is not None
    assert (made[0].username, made[0].role, users(application)) == ("admin", Role.ADMIN, [made[0]])


async def test_the_password_of_the_first_administrator_is_given_and_good(
    application: MemoryApplication,
) -> None:
    made = await application.users.create_first_admin()
    assert made is not None
    await application.auth.authenticate_user(username="admin", password=made[1], client=Client())


async def test_the_password_of_the_first_administrator_expires_after_72_hours(
    application: MemoryApplication,
) -> None:
    made = await application.users.create_first_admin()
    assert made is not None
    user, password = made
    assert user.password_expires_at == user.created_at + timedelta(hours=72)
    log_in_as = partial(application.auth.authenticate_user, username="admin", client=Client())
    application.clock.time = user.password_expires_at - MOMENT
    await log_in_as(password=password)
    application.clock.advance(MOMENT)
    for guess in (password, "a guess"):
        with pytest.raises(InvalidCredentials):
            await log_in_as(password=guess)
    *_, expired, wrong = application.identity_store.committed.attempts.values()
    assert (expired.fail_reason, expired.error_code) == (FailReason.PASSWORD_EXPIRED, "E403")
    assert wrong.fail_reason is FailReason.BAD_PASSWORD


async def test_a_new_password_does_not_expire(application: MemoryApplication) -> None:
    made = await application.users.create_first_admin()
    assert made is not None
    user, password = made
    login = await application.auth.authenticate_user(
        username="admin", password=password, client=Client()
    )
    application.clock.advance(timedelta(hours=73))
    with pytest.raises(InvalidToken):  # a token does not live as long
        await principal_of(application, login)
    await application.users.set_password(user_id=user.id, new_password=NEW_PASSWORD)
    [kept] = users(application)
    assert kept.password_expires_at is None


async def test_who_is_logged_in_changes_an_expired_password(
    application: MemoryApplication,
) -> None:
    made = await application.users.create_first_admin()
    assert made is not None
    login = await application.auth.authenticate_user(
        username="admin", password=made[1], client=Client()
    )
    principal = await principal_of(application, login)
    application.clock.advance(timedelta(hours=73))
    await application.users.change_password(
        principal=principal, current_password=made[1], new_password=NEW_PASSWORD
    )
    [kept] = users(application)
    assert kept.password_expires_at is None


@pytest.mark.usefixtures("trader")
async def test_where_there_is_somebody_no_administrator_is_made(
    application: MemoryApplication,
) -> None:
    assert await application.users.create_first_admin() is None


async def test_the_first_administrator_is_made_once(application: MemoryApplication) -> None:
    await application.users.create_first_admin()
    assert await application.users.create_first_admin() is None


async def test_of_two_first_starts_at_once_one_makes_the_administrator(
    application: MemoryApplication,
) -> None:
    ended: list[tuple[User, str] | None] = []

    async def one() -> None:
        ended.append(await application.users.create_first_admin())

    await all_at_once(one, one)
    made = [end[0] for end in ended if end is not None]
    assert users(application) == made
    assert len(made) == 1


# -- looking up --------------------------------------------------------------------------------


async def test_a_user_is_found_by_id(application: MemoryApplication, trader: User) -> None:
    assert await application.users.get_user_by_id(user_id=trader.id) == trader


async def test_an_unknown_id_is_nobodys(application: MemoryApplication) -> None:
    unknown = new_id()
    with pytest.raises(UnknownUser, match=f"^There is no user {unknown}.$"):
        await application.users.get_user_by_id(user_id=unknown)


@pytest.mark.parametrize("username", ["trader", "TRADER", "\uff34rader"])
async def test_a_user_is_found_by_name_in_any_case(
    application: MemoryApplication, trader: User, username: str
) -> None:
    assert await application.users.get_user_by_username(username=username) == trader


@pytest.mark.parametrize("username", ["nobody", "", "trader ", "a\0b", "\ud800", "a" * 1_000_000])
@pytest.mark.usefixtures("trader")
async def test_a_name_that_nobody_has_is_unknown(
    application: MemoryApplication, username: str
) -> None:
    with pytest.raises(UnknownUser) as caught:
        await application.users.get_user_by_username(username=username)
    assert caught.value.detail == f"There is no user {username}."


async def test_users_are_listed_in_the_order_in_which_they_were_made(
    application: MemoryApplication,
) -> None:
    made = [await registered(application, name) for name in ("zoe", "adam", "mia")]
    assert await application.users.list_users() == made


async def test_pages_of_users_join_without_gap_or_repetition(
    application: MemoryApplication,
) -> None:
    made = [await registered(application, f"user-{number}") for number in range(5)]
    pages: list[User] = []
    after: UUID | None = None
    while page := await application.users.list_users(after=after, limit=2):
        pages += page
        after = page[-1].id
    assert pages == made


@pytest.mark.parametrize("limit", [1, 2])
async def test_a_page_of_users_has_at_most_its_limit(
    application: MemoryApplication, limit: int
) -> None:
    for number in range(3):
        await registered(application, f"user-{number}")
    assert len(await application.users.list_users(limit=limit)) == limit


async def test_a_page_holds_fifty_users_unless_asked_otherwise(
    application: MemoryApplication,
) -> None:
    for number in range(51):
        await registered(application, f"user-{number}")
    assert len(await application.users.list_users()) == 50


async def test_where_there_is_nobody_the_list_is_empty(application: MemoryApplication) -> None:
    assert await application.users.list_users() == []


# -- disabling ---------------------------------------------------------------------------------


async def test_disabling_gives_the_user_as_they_are_then(
    application: MemoryApplication, trader: User
) -> None:
    disabled = await application.users.set_disabled(user_id=trader.id, disabled=True)
    assert disabled == replace(trader, disabled=True)
    assert users(application) == [disabled]


async def test_disabling_a_user_ends_all_their_sessions(
    application: MemoryApplication, trader: User
) -> None:
    logins = [await log_in(application) for _ in range(3)]
    await application.users.set_disabled(user_id=trader.id, disabled=True)
    assert [await lives(application, login) for login in logins] == [False] * 3


async def test_disabling_a_user_ends_nobody_elses_session(
    application: MemoryApplication, trader: User
) -> None:
    other = await registered(application, "other")
    login = await log_in(application)
    assert trader.id != other.id
    await application.users.set_disabled(user_id=other.id, disabled=True)
    assert await lives(application, login)


async def test_a_user_who_is_enabled_again_can_log_in(
    application: MemoryApplication, trader: User
) -> None:
    await application.users.set_disabled(user_id=trader.id, disabled=True)
    assert await application.users.set_disabled(user_id=trader.id, disabled=False) == trader
    assert await lives(application, await log_in(application))


async def test_enabling_an_enabled_user_ends_no_session(
    application: MemoryApplication, trader: User
) -> None:
    login = await log_in(application)
    await application.users.set_disabled(user_id=trader.id, disabled=False)
    assert await lives(application, login)


@pytest.mark.parametrize("disabled", [True, False])
async def test_an_unknown_user_cannot_be_disabled_or_enabled(
    application: MemoryApplication, *, disabled: bool
) -> None:
    unknown = new_id()
    with pytest.raises(UnknownUser, match=str(unknown)):
        await application.users.set_disabled(user_id=unknown, disabled=disabled)


# -- changing one's own password ---------------------------------------------------------------


async def change_password(
    application: MemoryApplication,
    login: Login,
    new_password: str = NEW_PASSWORD,
    current_password: str = PASSWORD,
    hasher: FastHasher | None = None,
) -> None:
    service = application.users if hasher is None else user_service(application, hasher)
    await service.change_password(
        principal=await principal_of(application, login),
        current_password=current_password,
        new_password=new_password,
    )


@pytest.fixture
async def login(application: MemoryApplication, trader: User) -> Login:
    """A session of the user, some time after they were registered."""
    assert trader.username == "trader"
    application.clock.advance(timedelta(minutes=1))
    return await log_in(application)


async def test_after_a_change_the_new_password_is_good(
    application: MemoryApplication, login: Login
) -> None:
    await change_password(application, login)
    assert await lives(application, await log_in(application, NEW_PASSWORD))


async def test_after_a_change_the_old_password_is_wrong(
    application: MemoryApplication, login: Login
) -> None:
    await change_password(application, login)
    with pytest.raises(InvalidCredentials):
        await log_in(application)


async def test_a_change_of_password_is_dated(
    application: MemoryApplication, trader: User, login: Login
) -> None:
    await change_password(application, login)
    [user] = users(application)
    assert user == replace(
        trader,
        password_hash=user.password_hash,
        password_changed_at=application.clock.now(),
    )


async def test_a_change_of_password_keeps_the_session_that_it_was_made_in(
    application: MemoryApplication, login: Login
) -> None:
    await change_password(application, login)
    assert await lives(application, login)


async def test_a_change_of_password_ends_the_users_other_sessions(
    application: MemoryApplication, login: Login
) -> None:
    others = [await log_in(application) for _ in range(2)]
    await change_password(application, login)
    assert [await lives(application, other) for other in others] == [False, False]


@pytest.mark.parametrize("current_password", ["", "another password", "\ud800", "k" * 100_000])
async def test_without_the_current_password_nothing_is_changed(
    application: MemoryApplication, trader: User, login: Login, current_password: str
) -> None:
    with pytest.raises(WrongPassword):
        await change_password(application, login, current_password=current_password)
    assert users(application) == [trader]


async def test_the_current_password_is_no_new_one(
    application: MemoryApplication, trader: User, login: Login
) -> None:
    with pytest.raises(WeakPassword) as caught:
        await change_password(application, login, new_password=PASSWORD)
    assert caught.value.detail == "That password cannot be set."
    assert [str(fault) for fault in caught.value.faults] == [
        "new_password: is the current password"
    ]
    assert users(application) == [trader]


@pytest.mark.parametrize("new_password", ["short", "trader" * 3, "\ud800" * 15, "k" * 1025])
async def test_a_weak_password_is_not_changed_to(
    application: MemoryApplication, trader: User, login: Login, new_password: str
) -> None:
    with pytest.raises(WeakPassword) as caught:
        await change_password(application, login, new_password=new_password)
    assert [fault.field for fault in caught.value.faults] == ["new_password"]
    assert users(application) == [trader]


async def test_a_change_of_password_that_is_refused_ends_no_session(
    application: MemoryApplication, login: Login
) -> None:
    other = await log_in(application)
    with pytest.raises(WrongPassword):
        await change_password(application, login, current_password="another password")
    assert await lives(application, other)


async def test_a_password_that_is_changed_elsewhere_meanwhile_is_not_overwritten(
    application: MemoryApplication, trader: User, login: Login
) -> None:
    async def reset_by_an_operator() -> None:
        application.clock.advance(MOMENT)
        await application.users.set_password(user_id=trader.id, new_password="set by an operator")

    with pytest.raises(WrongPassword):
        await change_password(application, login, hasher=MeanwhileHasher(reset_by_an_operator))
    assert await log_in(application, "set by an operator")


async def test_a_change_of_password_does_not_enable_who_is_disabled_meanwhile(
    application: MemoryApplication, trader: User, login: Login
) -> None:
    disable = partial(application.users.set_disabled, user_id=trader.id, disabled=True)
    await change_password(application, login, hasher=MeanwhileHasher(disable))
    assert users(application)[0].disabled


async def test_a_change_of_password_is_refused_to_who_is_gone_meanwhile(
    application: MemoryApplication, trader: User, login: Login
) -> None:
    with pytest.raises(UnknownUser, match=str(trader.id)):
        await change_password(application, login, hasher=MeanwhileHasher(nobody_in(application)))


async def test_a_change_of_password_is_refused_while_the_hasher_is_busy(
    application: MemoryApplication, trader: User, login: Login
) -> None:
    application.hasher.busy = True
    with pytest.raises(HasherBusy):
        await change_password(application, login)
    assert users(application) == [trader]


async def test_whichever_statement_fails_the_password_and_the_sessions_are_as_before() -> None:
    for statements in count():
        application = MemoryApplication()
        trader = await registered(application)
        login, other = await log_in(application), await log_in(application)
        principal = await principal_of(application, login)
        application.identity_store.fail_after = statements
        try:
            await application.users.change_password(
                principal=principal, current_password=PASSWORD, new_password=NEW_PASSWORD
            )
        except StoreUnavailable:
            assert users(application) == [trader], statements
            assert await lives(application, other), statements
        if application.identity_store.fail_after is not None:
            application.identity_store.fail_after = None
            break
    assert not await lives(application, other)
    assert statements > 5


# -- setting a password as an operator ---------------------------------------------------------


async def set_password(
    application: MemoryApplication,
    user_id: UUID,
    new_password: str = NEW_PASSWORD,
    hasher: FastHasher | None = None,
) -> None:
    service = application.users if hasher is None else user_service(application, hasher)
    await service.set_password(user_id=user_id, new_password=new_password)


async def test_after_an_operator_sets_a_password_it_is_the_only_good_one(
    application: MemoryApplication, trader: User
) -> None:
    await set_password(application, trader.id)
    assert await lives(application, await log_in(application, NEW_PASSWORD))
    with pytest.raises(InvalidCredentials):
        await log_in(application)


async def test_a_password_that_an_operator_sets_ends_all_the_users_sessions(
    application: MemoryApplication, trader: User
) -> None:
    logins = [await log_in(application) for _ in range(2)]
    await set_password(application, trader.id)
    assert [await lives(application, login) for login in logins] == [False, False]


async def test_an_operator_cannot_set_the_password_of_an_unknown_user(
    application: MemoryApplication,
) -> None:
    with pytest.raises(UnknownUser):
        await set_password(application, new_id())


async def test_an_operator_cannot_set_the_password_of_who_is_gone_meanwhile(
    application: MemoryApplication, trader: User
) -> None:
    hasher = MeanwhileHasher(nobody_in(application))
    with pytest.raises(UnknownUser, match=str(trader.id)):
        await set_password(application, trader.id, hasher=hasher)


@pytest.mark.parametrize(
    "weak", ["Letmein-letmein-letmein", "1234567890123456", "Password 2026!!!"]
)
async def test_a_common_password_is_refused_wherever_one_is_set(
    application: MemoryApplication, trader: User, weak: str
) -> None:
    principal = await principal_of(application, await log_in(application))
    changing = partial(application.users.change_password, principal=principal)
    for use in (
        partial(application.users.create_user, username="other", password=weak),
        partial(application.users.set_password, user_id=trader.id, new_password=weak),
        partial(changing, current_password=PASSWORD, new_password=weak),
    ):
        with pytest.raises(WeakPassword) as caught:
            await use()
        assert [fault.message for fault in caught.value.faults] == [
            "is a common password, or little more than one"
        ]


async def test_an_operator_cannot_set_a_weak_password(
    application: MemoryApplication, trader: User
) -> None:
    with pytest.raises(WeakPassword) as caught:
        await set_password(application, trader.id, "short")
    assert [fault.field for fault in caught.value.faults] == ["password"]
    assert users(application) == [trader]


async def test_what_an_operator_sets_counts_even_if_the_user_changes_it_meanwhile(
    application: MemoryApplication, trader: User, login: Login
) -> None:
    # An operator knows no current password that could be the wrong one.
    async def changed_by_the_user() -> None:
        application.clock.advance(MOMENT)
        await change_password(application, login, new_password="chosen by the user")

    hasher = MeanwhileHasher(changed_by_the_user)
    await set_password(application, trader.id, "set by an operator", hasher)
    assert await log_in(application, "set by an operator")
