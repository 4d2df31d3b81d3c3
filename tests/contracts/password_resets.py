from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

import pytest

from app.domain.errors import UnitOfWorkFailed, UnstorableText
from app.domain.identity import storage
from app.domain.identity.errors import UnknownUser
from app.domain.identity.password_resets import PasswordReset
from app.domain.identity.users import User
from app.ports.identity.password_resets import PasswordResets
from app.ports.identity.work import IdentityUnitOfWork, IdentityWork
from tests.builders import a_password_reset, a_user, new_id
from tests.contracts.identity_store import commit, keep, look_around, user_of
from tests.contracts.races import race
from tests.contracts.values import INSTANTS, UNSTORABLE_TEXTS


async def keep_reset(work: IdentityWork, reset: PasswordReset) -> None:
    async with work() as uow:
        await uow.password_resets.put(reset=reset)
        await uow.commit()


async def reset_of(work: IdentityWork, user_id: UUID) -> PasswordReset | None:
    async with work() as uow:
        return await uow.password_resets.hold(user_id=user_id)


class PasswordResetsContract:
    port: ClassVar[type] = PasswordResets
    adapter: ClassVar[type]

    @pytest.fixture
    async def user(self, work: IdentityWork) -> User:
        user = a_user()
        await keep(work, user)
        return user

    async def test_what_is_tested_is_the_adapter_that_is_named(self, work: IdentityWork) -> None:
        async with work() as uow:
            assert type(uow.password_resets) is self.adapter

    @pytest.mark.parametrize("instant", INSTANTS)
    async def test_a_reset_comes_back_with_every_field_and_in_utc(
        self, work: IdentityWork, user: User, instant: datetime
    ) -> None:
        reset = a_password_reset(
            user_id=user.id,
            digest="0a" * (storage.RESET_DIGEST // 2),
            created_at=instant,
            expires_at=instant,
        )
        await keep_reset(work, reset)
        found = await reset_of(work, user.id)
        assert found == reset
        assert (found.created_at.utcoffset(), found.expires_at.utcoffset()) == (timedelta(0),) * 2

    async def test_a_user_without_a_reset_has_none(self, work: IdentityWork, user: User) -> None:
        assert await reset_of(work, user.id) is None

    async def test_nobody_has_no_reset(self, work: IdentityWork) -> None:
        assert await reset_of(work, new_id()) is None

    async def test_everyone_has_a_reset_of_their_own(self, work: IdentityWork, user: User) -> None:
        other = a_user()
        await keep(work, other)
        resets = [a_password_reset(user_id=one.id) for one in (user, other)]
        for reset in resets:
            await keep_reset(work, reset)
        assert [await reset_of(work, one.id) for one in (user, other)] == resets

    async def test_a_reset_takes_the_place_of_the_one_before(
        self, work: IdentityWork, user: User
    ) -> None:
        await keep_reset(work, a_password_reset(user_id=user.id))
        later = a_password_reset(user_id=user.id)
        await keep_reset(work, later)
        assert await reset_of(work, user.id) == later

    async def test_a_reset_is_put_again_in_the_same_unit_of_work(
        self, work: IdentityWork, user: User
    ) -> None:
        reset = a_password_reset(user_id=user.id)
        async with work() as uow:
            await uow.password_resets.put(reset=a_password_reset(user_id=user.id))
            await uow.password_resets.put(reset=reset)
            assert await uow.password_resets.hold(user_id=user.id) == reset

    async def test_a_removed_reset_is_gone(self, work: IdentityWork, user: User) -> None:
        await keep_reset(work, a_password_reset(user_id=user.id))
        async with work() as uow:
            await uow.password_resets.remove(user_id=user.id)
            assert await uow.password_resets.hold(user_id=user.id) is None
            await uow.commit()
        assert await reset_of(work, user.id) is None

    async def test_removing_one_leaves_the_others(self, work: IdentityWork, user: User) -> None:
        other = a_user()
        await keep(work, other)
        reset = a_password_reset(user_id=other.id)
        await keep_reset(work, a_password_reset(user_id=user.id))
        await keep_reset(work, reset)
        async with work() as uow:
            await uow.password_resets.remove(user_id=user.id)
            await uow.commit()
        assert await reset_of(work, other.id) == reset

    async def test_after_removing_what_is_not_there_the_unit_of_work_goes_on(
        self, work: IdentityWork, user: User
    ) -> None:
        reset = a_password_reset(user_id=user.id)
        async with work() as uow:
            await uow.password_resets.remove(user_id=user.id)
            await uow.password_resets.remove(user_id=new_id())
            await uow.password_resets.put(reset=reset)
            await uow.commit()
        assert await reset_of(work, user.id) == reset

    async def test_a_reset_of_nobody_is_refused(self, work: IdentityWork) -> None:
        async with work() as uow:
            with pytest.raises(UnknownUser):
                await uow.password_resets.put(reset=a_password_reset())
            with pytest.raises(UnitOfWorkFailed):
                await uow.password_resets.hold(user_id=new_id())

    @pytest.mark.parametrize("digest", UNSTORABLE_TEXTS)
    async def test_a_digest_that_cannot_be_stored_is_refused(
        self, work: IdentityWork, user: User, digest: str
    ) -> None:
        async with work() as uow:
            with pytest.raises(UnstorableText):
                await uow.password_resets.put(
                    reset=a_password_reset(user_id=user.id, digest=digest)
                )

    async def test_what_is_not_committed_is_as_it_was(self, work: IdentityWork, user: User) -> None:
        reset = a_password_reset(user_id=user.id)
        await keep_reset(work, reset)
        async with work() as uow:
            await uow.password_resets.put(reset=a_password_reset(user_id=user.id))
            await uow.password_resets.remove(user_id=user.id)
        assert await reset_of(work, user.id) == reset

    async def test_of_two_who_hold_a_reset_the_second_sees_what_the_first_left(
        self, work: IdentityWork, user: User
    ) -> None:
        await keep_reset(work, a_password_reset(user_id=user.id))
        seen: list[PasswordReset | None] = []

        async def redeem(uow: IdentityUnitOfWork) -> None:
            await uow.password_resets.hold(user_id=user.id)
            await uow.password_resets.remove(user_id=user.id)

        async def look(uow: IdentityUnitOfWork) -> None:
            seen.append(await uow.password_resets.hold(user_id=user.id))

        through = await race(work, first=redeem, meanwhile=look_around, last=commit, second=look)
        assert (through, seen) == (["first", "second"], [None])

    async def test_who_puts_a_reset_waits_for_who_holds_it(
        self, work: IdentityWork, user: User
    ) -> None:
        reset = a_password_reset(user_id=user.id)
        later = replace(reset, digest="later")
        await keep_reset(work, reset)

        async def hold(uow: IdentityUnitOfWork) -> None:
            assert await uow.password_resets.hold(user_id=user.id) == reset

        async def put(uow: IdentityUnitOfWork) -> None:
            await uow.password_resets.put(reset=later)
            await uow.commit()

        through = await race(work, first=hold, meanwhile=look_around, last=None, second=put)
        assert (through, await reset_of(work, user.id)) == (["first", "second"], later)

    async def test_of_two_who_put_the_first_reset_the_second_counts(
        self, work: IdentityWork, user: User
    ) -> None:
        first, second = (a_password_reset(user_id=user.id) for _ in range(2))

        async def put_first(uow: IdentityUnitOfWork) -> None:
            await uow.password_resets.put(reset=first)

        async def put_second(uow: IdentityUnitOfWork) -> None:
            await uow.password_resets.put(reset=second)
            await uow.commit()

        through = await race(
            work, first=put_first, meanwhile=look_around, last=commit, second=put_second
        )
        assert (through, await reset_of(work, user.id)) == (["first", "second"], second)

    async def test_a_reset_leaves_its_user_as_they_are(
        self, work: IdentityWork, user: User
    ) -> None:
        await keep_reset(work, a_password_reset(user_id=user.id))
        assert await user_of(work, user.id) == user
