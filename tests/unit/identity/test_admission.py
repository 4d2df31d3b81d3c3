from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest

from app.domain.errors import StoreUnavailable
from app.domain.identity.errors import InvalidCredentials, InvalidToken
from app.domain.principal import Principal
from app.services.identity.admission import FRESH, Admission
from tests.application import FakedApplication, MemoryApplication
from tests.use_cases import CLIENT, issued, log_in, registered

MOMENT = timedelta(microseconds=1)


@dataclass
class Bearer:
    """Somebody with a token or a key, how they are let in, and how that ends."""

    admit: Callable[[Admission], Awaitable[Principal]]
    revoke: Callable[[FakedApplication], Awaitable[object]]


async def with_a_token(application: FakedApplication) -> Bearer:
    await registered(application)
    login = await log_in(application)
    principal = await application.auth.authenticate_token(token=login.access_token)
    return Bearer(
        lambda admission: admission.by_token(token=login.access_token),
        lambda process: process.auth.log_out(principal=principal),
    )


async def with_a_key(application: FakedApplication) -> Bearer:
    key = await issued(application)

    async def admit(admission: Admission) -> Principal:
        principal, _ = await admission.by_key(key=key.text, ip=CLIENT.ip)
        return principal

    api_key = key.api_key
    return Bearer(
        admit,
        lambda process: process.api_keys.revoke(key_id=api_key.id, owner=api_key.user_id),
    )


@pytest.fixture
def application() -> MemoryApplication:
    return MemoryApplication()


@pytest.fixture(params=[with_a_token, with_a_key], ids=["token", "key"])
async def bearer(application: MemoryApplication, request: pytest.FixtureRequest) -> Bearer:
    made: Bearer = await request.param(application)
    return made


async def test_who_is_let_in_again_within_a_second_asks_nothing_of_the_store(
    application: MemoryApplication, bearer: Bearer
) -> None:
    first = await bearer.admit(application.admission)
    application.identity_store.down = True
    application.clock.advance(FRESH - MOMENT)
    assert await bearer.admit(application.admission) == first


async def test_who_is_let_in_is_not_asked_for_again_because_others_log_in(
    application: MemoryApplication, bearer: Bearer
) -> None:
    first = await bearer.admit(application.admission)
    await log_in(application)
    with pytest.raises(InvalidCredentials):
        await log_in(application, username="nobody")
    application.identity_store.down = True
    assert await bearer.admit(application.admission) == first


async def test_after_a_second_the_store_is_asked_again(
    application: MemoryApplication, bearer: Bearer
) -> None:
    await bearer.admit(application.admission)
    application.identity_store.down = True
    application.clock.advance(FRESH)
    with pytest.raises(StoreUnavailable):
        await bearer.admit(application.admission)


async def test_a_revocation_by_this_process_holds_at_once(
    application: MemoryApplication, bearer: Bearer
) -> None:
    await bearer.admit(application.admission)
    await bearer.revoke(application)
    with pytest.raises(InvalidToken):
        await bearer.admit(application.admission)


async def test_a_revocation_by_another_process_holds_within_a_second(
    application: MemoryApplication, bearer: Bearer
) -> None:
    await bearer.admit(application.admission)
    await bearer.revoke(FakedApplication(application.works))
    application.clock.advance(FRESH)
    with pytest.raises(InvalidToken):
        await bearer.admit(application.admission)


async def test_a_token_is_not_good_for_longer_than_it_says(
    application: MemoryApplication,
) -> None:
    bearer = await with_a_token(application)
    ends = (await bearer.admit(application.admission)).good_until
    assert ends is not None
    application.clock.time = ends - FRESH / 2
    await bearer.admit(application.admission)
    application.clock.time = ends
    with pytest.raises(InvalidToken):
        await bearer.admit(application.admission)


async def test_a_key_that_was_let_in_elsewhere_is_not_let_in_from_everywhere(
    application: MemoryApplication,
) -> None:
    key = await issued(application)
    await application.admission.by_key(key=key.text, ip=CLIENT.ip)
    application.identity_store.down = True
    with pytest.raises(StoreUnavailable):
        await application.admission.by_key(key=key.text, ip="198.51.100.9")


async def test_the_use_of_a_key_is_told_once(application: MemoryApplication) -> None:
    key = await issued(application)
    admit = partial(application.admission.by_key, key=key.text, ip=CLIENT.ip)
    uses = [(await admit())[1] for _ in range(2)]
    assert [use is not None for use in uses] == [True, False]


async def test_who_is_refused_is_refused_again_by_the_store(
    application: MemoryApplication,
) -> None:
    for _ in range(2):
        with pytest.raises(InvalidToken):
            await application.admission.by_token(token="no token")
