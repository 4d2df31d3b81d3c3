"""Two use cases at once, one beginning at every moment of the other; and what time a wait makes."""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from functools import partial
from itertools import permutations, product
from typing import Any
from uuid import UUID

import pytest
from anyio import create_task_group
from anyio.lowlevel import checkpoint

from app.adapters.memory.store import MemoryStore
from app.domain.errors import TickgateError
from app.domain.identity.errors import InvalidCredentials, LastAdmin
from app.domain.identity.users import User, UserChanges
from app.domain.principal import Principal, Role
from tests.application import PASSWORD, MemoryApplication
from tests.builders import an_exchange
from tests.cancellation import until
from tests.use_cases import (
    BTC,
    CLIENT,
    COARSE,
    FINE_REPLY,
    OTHER_PASSWORD,
    SOURCE,
    log_in,
    registered,
)

MOMENTS = range(25)
MINUTE = timedelta(minutes=1)

Act = Callable[[], Coroutine[Any, Any, object]]


class Scene:
    """A user with a session, and what can be done to them."""

    def __init__(self, application: MemoryApplication, user: User, principal: Principal) -> None:
        self.application = application
        self.user = user
        self.principal = principal

    async def disable(self) -> None:
        await self.application.users.set_disabled(user_id=self.user.id, disabled=True)

    async def set_password(self) -> None:
        await self.application.users.set_password(user_id=self.user.id, new_password=OTHER_PASSWORD)

    async def change_password(self) -> None:
        await self.application.users.change_password(
            principal=self.principal, current_password=PASSWORD, new_password=OTHER_PASSWORD
        )

    async def log_in(self) -> None:
        with suppress(TickgateError):
            await log_in(self.application)

    def after(self) -> User:
        return self.application.identity_store.committed.users[self.user.id]

    def live_sessions(self) -> int:
        sessions = self.application.identity_store.committed.sessions.values()
        return sum(session.ended_at is None for session in sessions)


async def a_scene() -> Scene:
    application = MemoryApplication()
    user = await registered(application)
    login = await log_in(application)
    principal = await application.auth.authenticate_token(token=login.access_token)
    return Scene(application, user, principal)


async def after_both(first: str, second: str, moment: int) -> Scene:
    """Do two things at once, the second that many moments after the first."""
    scene = await a_scene()
    # Or a password that is set in the same instant could not be told from the one before.
    scene.application.clock.advance(MINUTE)

    async def later() -> None:
        for _ in range(moment):
            await checkpoint()
        await getattr(scene, second)()

    async with create_task_group() as tasks:
        tasks.start_soon(getattr(scene, first))
        tasks.start_soon(later)
    return scene


@pytest.mark.parametrize("other", ["set_password", "change_password"])
async def test_neither_a_new_password_nor_the_disabling_of_its_user_is_lost(other: str) -> None:
    for (first, second), moment in product(permutations(("disable", other)), MOMENTS):
        scene = await after_both(first, second, moment)
        user = scene.after()
        changed = user.password_hash != scene.user.password_hash
        assert (user.disabled, changed) == (True, True), (first, second, moment)


async def test_nobody_who_is_disabled_is_left_with_a_session() -> None:
    for (first, second), moment in product(permutations(("disable", "log_in")), MOMENTS):
        scene = await after_both(first, second, moment)
        assert scene.live_sessions() == 0, (first, second, moment)


async def test_a_login_with_the_old_password_leaves_no_session_beside_the_new_one() -> None:
    for (first, second), moment in product(permutations(("set_password", "log_in")), MOMENTS):
        scene = await after_both(first, second, moment)
        assert scene.live_sessions() == 0, (first, second, moment)


async def done_while_it_waited(
    application: MemoryApplication, store: MemoryStore[Any], act: Act
) -> None:
    """Do something that has to wait a minute for the store's other writer."""
    async with create_task_group() as tasks:
        await store.writer.acquire()
        tasks.start_soon(act)
        await until(lambda: store.writer.statistics().tasks_waiting == 1)
        application.clock.advance(MINUTE)
        store.writer.release()


async def test_a_reply_that_waited_is_recorded_when_its_turn_came() -> None:
    application = MemoryApplication()
    await application.range_units.put_exchange(exchange=an_exchange())

    async def ingest() -> None:
        await application.range_units.ingest(market=BTC, payload=FINE_REPLY, source=SOURCE)

    await done_while_it_waited(application, application.range_units_store, ingest)
    [dated] = await application.history.history(market=BTC)
    revision = dated.revision
    assert revision.recorded_at == application.clock.now()


async def test_a_statement_that_waited_holds_from_when_its_turn_came() -> None:
    application = MemoryApplication()
    await application.range_units.put_exchange(exchange=an_exchange())

    async def state() -> None:
        await application.range_units.put_range_units(market=BTC, table=COARSE, source=SOURCE)

    await done_while_it_waited(application, application.range_units_store, state)
    [dated] = await application.history.history(market=BTC)
    revision = dated.revision
    assert revision.effective_from == application.clock.now()


async def test_a_refresh_that_waited_has_used_its_token_when_its_turn_came() -> None:
    application = MemoryApplication()
    await registered(application)
    login = await log_in(application)

    async def refresh() -> None:
        await application.auth.refresh(refresh_token=login.refresh_token, client=CLIENT)

    await done_while_it_waited(application, application.identity_store, refresh)
    used = {token.used_at for token in application.identity_store.committed.refresh_tokens.values()}
    assert used == {None, application.clock.now()}


@pytest.mark.parametrize("changes", [{"role": Role.USER}, {"disabled": True}], ids=str)
async def test_of_two_administrators_who_unseat_each_other_one_is_left(
    changes: UserChanges,
) -> None:
    for moment in MOMENTS:
        application = MemoryApplication()
        admins = [
            await application.users.create_user(username=name, password=PASSWORD, role=Role.ADMIN)
            for name in ("one", "two")
        ]
        refused: list[LastAdmin] = []
        unseat = partial(unseat_after, application, changes, refused)
        async with create_task_group() as tasks:
            tasks.start_soon(unseat, 0, admins[0].id)
            tasks.start_soon(unseat, moment, admins[1].id)
        left = [user for user in await application.users.list_users() if user.administers]
        assert (len(left), len(refused)) == (1, 1), moment


async def unseat_after(
    application: MemoryApplication,
    changes: UserChanges,
    refused: list[LastAdmin],
    moments: int,
    user_id: UUID,
) -> None:
    for _ in range(moments):
        await checkpoint()
    try:
        await application.users.change_user(user_id=user_id, changes=changes)
    except LastAdmin as error:
        refused.append(error)


async def test_a_guess_that_waited_has_its_slots_from_when_its_turn_came() -> None:
    application = MemoryApplication()
    await registered(application)

    async def guess() -> None:
        with suppress(InvalidCredentials):
            await log_in(application, password=OTHER_PASSWORD)

    await done_while_it_waited(application, application.identity_store, guess)
    slots = application.identity_store.committed.slots.values()
    assert {slot.taken_at for slot in slots} == {application.clock.now()}
