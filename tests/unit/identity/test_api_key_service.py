from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from anyio import create_task_group, fail_after

from app.adapters.memory.identity.security import GlassVault
from app.adapters.memory.identity.unit_of_work import MemoryIdentityUnitOfWork
from app.domain.errors import StoreUnavailable, TickgateError
from app.domain.identity.api_keys import (
    DEFAULT_OVERLAP,
    MOST_LIVE_KEYS,
    USE_NOTED_EVERY,
    ApiKey,
    KeyParts,
    KeyUse,
    WantedKey,
    read_api_key,
    write_api_key,
)
from app.domain.identity.errors import (
    ApiKeyOver,
    InvalidApiKey,
    InvalidToken,
    TooManyApiKeys,
    UnknownApiKey,
    UnknownUser,
)
from app.domain.identity.users import User
from app.domain.principal import SCOPES_OF_ROLE, Principal, Role, Scope
from app.services.identity.api_key_service import ApiKeyService, IssuedKey
from tests.application import MemoryApplication
from tests.builders import a_user, an_api_key, new_id
from tests.cancellation import until
from tests.contracts.races import PATIENCE

READ = frozenset({Scope.RANGE_UNITS_READ})
WANTED = WantedKey("grid bot", READ)
IP = "203.0.113.7"
TICK = timedelta(microseconds=1)


@pytest.fixture
def application() -> MemoryApplication:
    return MemoryApplication()


@pytest.fixture
def keys(application: MemoryApplication) -> ApiKeyService:
    return application.api_keys


@pytest.fixture
def owner(application: MemoryApplication) -> User:
    return change(application, a_user(username="Owner"))


@pytest.fixture
async def issued(keys: ApiKeyService, owner: User) -> IssuedKey:
    return await keys.create(user_id=owner.id, wanted=WANTED)


def change(application: MemoryApplication, user: User) -> User:
    application.identity_store.committed.users[user.id] = user
    return user


def kept(application: MemoryApplication, api_key: ApiKey) -> ApiKey:
    return application.identity_store.committed.api_keys[api_key.id]


def put(application: MemoryApplication, *api_keys: ApiKey) -> None:
    for api_key in api_keys:
        application.identity_store.committed.api_keys[api_key.id] = api_key


async def use(application: MemoryApplication, key: str, ip: str | None = IP) -> Principal | None:
    """Give who is let in; None: nobody, and the refusal is the one there is."""
    try:
        principal, _ = await application.api_keys.authenticate(key=key, ip=ip)
    except InvalidToken:
        return None
    return principal


# -- making ----------------------------------------------------------------------------------


async def test_a_key_is_kept_as_it_is_answered_with_the_digest_of_its_secret(
    application: MemoryApplication, owner: User, issued: IssuedKey
) -> None:
    parts = read_api_key(issued.text)
    assert parts is not None
    assert kept(application, issued.api_key) == ApiKey(
        id=parts.key_id,
        user_id=owner.id,
        name="grid bot",
        scopes=READ,
        digest=GlassVault().digest(secret=parts.secret),
        created_at=application.clock.now(),
    )


async def test_what_is_issued_prints_without_the_key(issued: IssuedKey) -> None:
    assert issued.text[25:68] not in repr(issued)


async def test_nobody_gets_no_key(keys: ApiKeyService) -> None:
    with pytest.raises(UnknownUser):
        await keys.create(user_id=new_id(), wanted=WANTED)


async def test_a_key_against_the_rules_is_not_made(
    application: MemoryApplication, keys: ApiKeyService, owner: User
) -> None:
    with pytest.raises(InvalidApiKey):
        await keys.create(user_id=owner.id, wanted=WantedKey("n", frozenset(Scope)))
    assert application.identity_store.committed.api_keys == {}


async def test_a_user_has_so_many_live_keys_and_no_more(
    application: MemoryApplication, keys: ApiKeyService, owner: User
) -> None:
    put(application, *[an_api_key(user_id=owner.id) for _ in range(MOST_LIVE_KEYS - 1)])
    put(application, an_api_key(), an_api_key(user_id=owner.id).revoked(application.clock.now()))
    last = await keys.create(user_id=owner.id, wanted=WANTED)
    with pytest.raises(TooManyApiKeys):
        await keys.create(user_id=owner.id, wanted=WANTED)
    await keys.revoke(key_id=last.api_key.id, owner=owner.id)
    await keys.create(user_id=owner.id, wanted=WANTED)


async def test_of_two_who_make_the_last_key_at_once_one_does(
    application: MemoryApplication, keys: ApiKeyService, owner: User
) -> None:
    put(application, *[an_api_key(user_id=owner.id) for _ in range(MOST_LIVE_KEYS - 1)])
    refused: list[TickgateError] = []

    async def create() -> None:
        try:
            await keys.create(user_id=owner.id, wanted=WANTED)
        except TooManyApiKeys as error:
            refused.append(error)

    async with create_task_group() as tasks:
        tasks.start_soon(create)
        tasks.start_soon(create)
    assert (len(refused), len(application.identity_store.committed.api_keys)) == (1, 100)


# -- listing ---------------------------------------------------------------------------------


async def test_keys_are_listed_newest_first_those_of_one_user_or_all(
    application: MemoryApplication, keys: ApiKeyService, owner: User
) -> None:
    mine = [an_api_key(user_id=owner.id) for _ in range(3)]
    other = an_api_key(user_id=change(application, a_user()).id)
    put(application, *mine, other)
    assert await keys.list_keys(owner=owner.id) == mine[::-1]
    assert await keys.list_keys(owner=None) == [other, *mine[::-1]]
    assert await keys.list_keys(owner=owner.id, before=mine[2].id, limit=1) == [mine[1]]


# -- using -----------------------------------------------------------------------------------


async def test_who_has_the_key_acts_as_its_owner_without_a_session(
    application: MemoryApplication, owner: User, issued: IssuedKey
) -> None:
    assert await use(application, issued.text) == Principal(
        owner.id, "Owner", None, READ, api_key_id=issued.api_key.id
    )


async def test_a_key_may_do_what_it_was_made_for_only(
    application: MemoryApplication, keys: ApiKeyService
) -> None:
    admin = change(application, a_user(role=Role.ADMIN))
    issued = await keys.create(user_id=admin.id, wanted=WANTED)
    principal = await use(application, issued.text)
    assert principal is not None
    assert principal.scopes == READ


async def test_a_key_of_a_demoted_admin_loses_scopes_at_once_and_has_them_again(
    application: MemoryApplication, keys: ApiKeyService
) -> None:
    admin = change(application, a_user(role=Role.ADMIN))
    issued = await keys.create(user_id=admin.id, wanted=WantedKey("n", frozenset(Scope)))
    for role in (Role.USER, Role.ADMIN):
        change(application, replace(admin, role=role))
        principal = await use(application, issued.text)
        assert principal is not None
        assert principal.scopes == SCOPES_OF_ROLE[role]


async def test_a_key_of_a_disabled_user_is_refused_until_they_are_enabled(
    application: MemoryApplication, owner: User, issued: IssuedKey
) -> None:
    change(application, replace(owner, disabled=True))
    refused = await use(application, issued.text)
    change(application, owner)
    assert (refused, await use(application, issued.text) is not None) == (None, True)


async def test_a_key_is_refused_from_another_network(
    application: MemoryApplication, keys: ApiKeyService, owner: User
) -> None:
    wanted = WantedKey("n", READ, None, ["203.0.113.0/24"])
    key = (await keys.create(user_id=owner.id, wanted=wanted)).text
    places = (IP, f"::ffff:{IP}", "198.51.100.1", "::1", None, "testclient")
    let_in = [place for place in places if await use(application, key, place)]
    assert let_in == [IP, f"::ffff:{IP}"]


async def test_a_key_expires(
    application: MemoryApplication, keys: ApiKeyService, owner: User
) -> None:
    wanted = WantedKey("n", READ, timedelta(hours=1))
    key = (await keys.create(user_id=owner.id, wanted=wanted)).text
    application.clock.advance(timedelta(hours=1) - TICK)
    before = await use(application, key)
    application.clock.advance(TICK)
    assert (before is not None, await use(application, key)) == (True, None)


async def test_a_revoked_key_is_refused(
    application: MemoryApplication, keys: ApiKeyService, issued: IssuedKey
) -> None:
    await keys.revoke(key_id=issued.api_key.id, owner=None)
    assert await use(application, issued.text) is None


async def test_a_key_with_the_id_of_another_and_its_own_secret_is_refused(
    application: MemoryApplication, keys: ApiKeyService, owner: User, issued: IssuedKey
) -> None:
    other = await keys.create(user_id=owner.id, wanted=WANTED)
    parts = read_api_key(other.text)
    assert parts is not None
    forged = write_api_key(KeyParts(issued.api_key.id, parts.secret))
    assert await use(application, forged) is None


async def test_a_key_that_was_never_made_is_refused(
    application: MemoryApplication, issued: IssuedKey
) -> None:
    parts = read_api_key(issued.text)
    assert parts is not None
    assert await use(application, write_api_key(KeyParts(new_id(), parts.secret))) is None


async def test_a_key_whose_digest_is_not_even_text_of_ours_is_refused(
    application: MemoryApplication, issued: IssuedKey
) -> None:
    put(application, replace(issued.api_key, digest="é" * 64))
    assert await use(application, issued.text) is None


async def test_a_misspelt_key_asks_nothing_of_the_store(
    application: MemoryApplication, issued: IssuedKey
) -> None:
    key = issued.text
    wrong = [key[:-1], key + "0", key[:-1] + ("0" if key[-1] != "0" else "1"), "tg_", key * 135]
    wrong += [key[:9] + odd + key[10:] for odd in ("\0", "é", "\ud800")]
    application.identity_store.down = True  # then any statement would raise `StoreUnavailable`
    assert [await use(application, text) for text in wrong] == [None] * len(wrong)
    with pytest.raises(StoreUnavailable):
        await use(application, key)


# -- when it was used last -------------------------------------------------------------------


async def a_use(keys: ApiKeyService, issued: IssuedKey) -> KeyUse:
    _, use = await keys.authenticate(key=issued.text, ip=f"::ffff:{IP}")
    assert use is not None
    return use


async def test_a_use_is_noted_when_that_is_asked_for_and_not_before(
    application: MemoryApplication, keys: ApiKeyService, issued: IssuedKey
) -> None:
    used = await a_use(keys, issued)
    assert kept(application, issued.api_key) == issued.api_key
    await keys.note_use(use=used)
    noted = replace(issued.api_key, last_used_at=application.clock.now(), last_used_ip=IP)
    assert kept(application, issued.api_key) == noted


async def test_within_a_minute_one_use_is_to_be_noted(
    application: MemoryApplication, keys: ApiKeyService, issued: IssuedKey
) -> None:
    await keys.note_use(use=await a_use(keys, issued))
    told = []
    for later in (timedelta(0), USE_NOTED_EVERY - TICK, TICK):
        application.clock.advance(later)
        _, used = await keys.authenticate(key=issued.text, ip=IP)
        told.append(used is not None)
    assert told == [False, False, True]


async def test_while_a_use_is_being_noted_another_of_the_same_key_passes(
    application: MemoryApplication, keys: ApiKeyService, issued: IssuedKey
) -> None:
    used = await a_use(keys, issued)
    commits = application.identity_store.commits
    async with create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(partial(keys.note_use, use=used))
    assert application.identity_store.commits == commits + 1


async def test_of_uses_of_many_keys_one_at_a_time_waits_for_the_store(
    application: MemoryApplication, keys: ApiKeyService, owner: User
) -> None:
    uses = [await a_use(keys, await keys.create(user_id=owner.id, wanted=WANTED)) for _ in range(5)]
    store = application.identity_store
    with fail_after(PATIENCE):
        async with MemoryIdentityUnitOfWork(store) as uow, create_task_group() as tasks:
            await uow.users.hold(user_id=owner.id)  # the one writer there may be
            for used in uses:
                tasks.start_soon(partial(keys.note_use, use=used))
            await until(lambda: store.writer.statistics().tasks_waiting > 0)
            assert store.writer.statistics().tasks_waiting == 1
            await uow.commit()
    assert all(one.last_used_at for one in store.committed.api_keys.values())


async def test_a_use_that_could_not_be_noted_can_be_noted_later(
    application: MemoryApplication, keys: ApiKeyService, issued: IssuedKey
) -> None:
    used = await a_use(keys, issued)
    application.identity_store.down = True
    with pytest.raises(StoreUnavailable):
        await keys.note_use(use=used)
    application.identity_store.down = False
    await keys.note_use(use=used)
    assert kept(application, issued.api_key).last_used_at == used.at


# -- rotating --------------------------------------------------------------------------------


async def test_both_keys_work_for_the_overlap_and_then_the_new_one_alone(
    application: MemoryApplication, keys: ApiKeyService, issued: IssuedKey
) -> None:
    new = await keys.rotate(key_id=issued.api_key.id, owner=None)
    working = []
    for later in (timedelta(0), DEFAULT_OVERLAP - TICK, TICK):
        application.clock.advance(later)
        texts = (issued.text, new.text)
        working.append([await use(application, text) is not None for text in texts])
    assert working == [[True, True], [True, True], [False, True]]


async def test_without_an_overlap_the_old_key_is_over_at_once(
    application: MemoryApplication, keys: ApiKeyService, issued: IssuedKey
) -> None:
    await keys.rotate(key_id=issued.api_key.id, owner=None, overlap=timedelta(0))
    assert await use(application, issued.text) is None


async def test_the_new_key_is_as_the_old_one_was_and_lives_as_long(
    application: MemoryApplication, keys: ApiKeyService, owner: User
) -> None:
    wanted = WantedKey("n", READ, timedelta(days=90), ["10.0.0.0/8"])
    old = (await keys.create(user_id=owner.id, wanted=wanted)).api_key
    application.clock.advance(timedelta(days=80))
    new = await keys.rotate(key_id=old.id, owner=owner.id)
    now = application.clock.now()
    expected = replace(
        old,
        id=new.api_key.id,
        digest=new.api_key.digest,
        created_at=now,
        expires_at=now + timedelta(days=90),
    )
    assert new.api_key == kept(application, new.api_key) == expected
    assert new.api_key.digest != old.digest


async def test_rotating_again_prolongs_nothing_and_gives_another_key(
    application: MemoryApplication, keys: ApiKeyService, issued: IssuedKey
) -> None:
    await keys.rotate(key_id=issued.api_key.id, owner=None, overlap=timedelta(hours=1))
    end = kept(application, issued.api_key).retires_at
    again = await keys.rotate(key_id=issued.api_key.id, owner=None, overlap=timedelta(hours=2))
    assert (kept(application, issued.api_key).retires_at, end is None) == (end, False)
    assert await use(application, again.text) is not None


@pytest.mark.parametrize("overlap", [-TICK, timedelta(days=30) + TICK])
async def test_an_overlap_that_is_none_is_refused(
    keys: ApiKeyService, issued: IssuedKey, overlap: timedelta
) -> None:
    with pytest.raises(InvalidApiKey):
        await keys.rotate(key_id=issued.api_key.id, owner=None, overlap=overlap)


async def test_a_key_that_is_over_is_not_rotated(
    application: MemoryApplication, keys: ApiKeyService, owner: User
) -> None:
    now = application.clock.now()
    over = [
        an_api_key(user_id=owner.id, revoked_at=now),
        an_api_key(user_id=owner.id, expires_at=now),
        an_api_key(user_id=owner.id, retires_at=now),
    ]
    put(application, *over)
    for api_key in over:
        with pytest.raises(ApiKeyOver):
            await keys.rotate(key_id=api_key.id, owner=owner.id)


async def test_at_the_limit_a_key_is_rotated_only_without_an_overlap(
    application: MemoryApplication, keys: ApiKeyService, owner: User
) -> None:
    put(application, *[an_api_key(user_id=owner.id) for _ in range(MOST_LIVE_KEYS)])
    one = next(iter(application.identity_store.committed.api_keys.values()))
    with pytest.raises(TooManyApiKeys):
        await keys.rotate(key_id=one.id, owner=owner.id)
    await keys.rotate(key_id=one.id, owner=owner.id, overlap=timedelta(0))


# -- revoking --------------------------------------------------------------------------------


async def test_a_key_is_revoked_once(
    application: MemoryApplication, keys: ApiKeyService, issued: IssuedKey
) -> None:
    at = application.clock.now()
    answered = []
    for _ in range(2):
        answered.append(await keys.revoke(key_id=issued.api_key.id, owner=None))
        application.clock.advance(timedelta(hours=1))
    assert answered == [replace(issued.api_key, revoked_at=at)] * 2
    assert kept(application, issued.api_key) == answered[0]


async def test_a_key_of_another_is_as_unknown_as_one_of_nobody(
    application: MemoryApplication, keys: ApiKeyService, issued: IssuedKey
) -> None:
    stranger = change(application, a_user())
    for key_id in (issued.api_key.id, new_id()):
        for call in (keys.revoke, keys.rotate):
            with pytest.raises(UnknownApiKey) as raised:
                await call(key_id=key_id, owner=stranger.id)
            assert raised.value.detail == f"There is no API key {key_id}."
    assert kept(application, issued.api_key) == issued.api_key
