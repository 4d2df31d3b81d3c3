from typing import ClassVar

import pytest

from app.domain.errors import TickgateError, UnitOfWorkFailed, UnstorableText
from app.domain.identity.errors import EmailTaken, UsernameTaken
from app.domain.identity.users import User
from app.domain.principal import Role
from app.ports.identity.user_imports import UserImports
from app.ports.identity.work import IdentityUnitOfWork, IdentityWork
from tests.builders import a_user, at
from tests.contracts.identity_store import commit, keep, look_around, users_of
from tests.contracts.races import race
from tests.contracts.values import UNSTORABLE_TEXTS

MANY = 25_000
"""More keys than a statement of either database has parameters, once each is there twice."""


async def import_users(work: IdentityWork, *users: User) -> None:
    async with work() as uow:
        await uow.user_imports.add_all(users=users)
        await uow.commit()


class UserImportsContract:
    port: ClassVar[type] = UserImports
    adapter: ClassVar[type]

    async def test_what_is_tested_is_the_adapter_that_is_named(self, work: IdentityWork) -> None:
        async with work() as uow:
            assert type(uow.user_imports) is self.adapter

    async def test_imported_users_come_back_with_every_field(self, work: IdentityWork) -> None:
        full = a_user(
            email="Trader@Example.com",
            role=Role.ADMIN,
            disabled=True,
            password_changed_at=at(1),
            password_expires_at=at(2),
            mfa_required=True,
            has_second_factor=True,
        )
        users = [full, a_user(), a_user()]
        await import_users(work, *users)
        assert await users_of(work) == users

    async def test_the_keys_that_users_have_are_taken(self, work: IdentityWork) -> None:
        await keep(work, a_user(username="Bob", email="Bob@Example.com"), a_user(username="eve"))
        async with work() as uow:
            asked = {"bob", "bob@example.com", "eve", "alice", "alice@example.com"}
            taken = await uow.user_imports.taken(keys=asked)
        assert taken == {"bob", "bob@example.com", "eve"}

    async def test_of_nobody_nothing_is_taken(self, work: IdentityWork) -> None:
        async with work() as uow:
            assert await uow.user_imports.taken(keys=["bob"]) == frozenset()

    async def test_where_nothing_is_asked_nothing_is_taken(self, work: IdentityWork) -> None:
        await keep(work, a_user())
        async with work() as uow:
            assert await uow.user_imports.taken(keys=[]) == frozenset()

    async def test_keys_are_taken_to_the_letter(self, work: IdentityWork) -> None:
        await keep(work, a_user(username="bob"))
        others = ["BOB", "bo", "bob ", "b%", "", "bob\0", "bob\ud800", "bob" * 50_000]
        async with work() as uow:
            assert await uow.user_imports.taken(keys=others) == frozenset()

    async def test_any_number_of_keys_is_looked_up(self, work: IdentityWork) -> None:
        await keep(work, a_user(username="bob"), a_user(username="eve"))
        keys = ["eve", *(f"user {number}" for number in range(MANY)), "bob"]
        async with work() as uow:
            assert await uow.user_imports.taken(keys=keys) == {"bob", "eve"}

    async def test_keys_are_taken_in_the_unit_of_work_that_adds_them(
        self, work: IdentityWork
    ) -> None:
        async with work() as uow:
            await uow.user_imports.add_all(users=[a_user(username="bob")])
            assert await uow.user_imports.taken(keys=["bob"]) == {"bob"}

    @pytest.mark.parametrize(
        ("known", "added", "error"),
        [
            ([a_user(username="bob")], [a_user(), a_user(username="BOB")], UsernameTaken),
            ([], [a_user(username="bob"), a_user(username="Bob")], UsernameTaken),
            ([a_user(email="b@x.org")], [a_user(email="B@x.org"), a_user()], EmailTaken),
            ([], [a_user(email="b@x.org"), a_user(email="b@x.org")], EmailTaken),
        ],
        ids=["a-name", "a-name-twice", "an-address", "an-address-twice"],
    )
    async def test_where_a_key_is_taken_nobody_is_added(
        self,
        work: IdentityWork,
        known: list[User],
        added: list[User],
        error: type[TickgateError],
    ) -> None:
        await keep(work, *known)
        async with work() as uow:
            with pytest.raises(error):
                await uow.user_imports.add_all(users=added)
            with pytest.raises(UnitOfWorkFailed):
                await uow.commit()
        assert await users_of(work) == known

    @pytest.mark.parametrize("text", UNSTORABLE_TEXTS)
    async def test_where_a_text_cannot_be_stored_nobody_is_added(
        self, work: IdentityWork, text: str
    ) -> None:
        async with work() as uow:
            with pytest.raises(UnstorableText):
                await uow.user_imports.add_all(users=[a_user(), a_user(password_hash=text)])
        assert await users_of(work) == []

    async def test_what_is_not_committed_is_not_kept(self, work: IdentityWork) -> None:
        async with work() as uow:
            await uow.user_imports.add_all(users=[a_user()])
        assert await users_of(work) == []

    async def test_of_two_imports_of_one_name_the_second_waits_and_is_refused(
        self, work: IdentityWork
    ) -> None:
        first, second = a_user(username="bob"), a_user(username="bob")

        async def add_first(uow: IdentityUnitOfWork) -> None:
            await uow.user_imports.add_all(users=[first])

        async def add_second(uow: IdentityUnitOfWork) -> None:
            with pytest.raises(UsernameTaken):
                await uow.user_imports.add_all(users=[a_user(), second])

        through = await race(
            work, first=add_first, meanwhile=look_around, last=commit, second=add_second
        )
        assert (through, await users_of(work)) == (["first", "second"], [first])
