from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar

import pytest

from app.domain.errors import UnstorableText
from app.domain.identity import storage
from app.domain.identity.origins import Familiarity
from app.ports.identity.origins import Origins
from app.ports.identity.work import IdentityUnitOfWork, IdentityWork
from tests.builders import at, new_id
from tests.contracts.races import race
from tests.contracts.values import INSTANTS, STORABLE_TEXTS, UNSTORABLE_TEXTS

USER, OTHER = new_id(), new_id()
HOME, OFFICE = "192.0.2.1", "2001:db8:1:2::/64"
PHONE, BOT = "Mobile Safari on iOS", "ccxt"
NEVER = Familiarity()


async def see(
    uow: IdentityUnitOfWork, network: str | None, client: str | None, minutes: int
) -> Familiarity:
    return await uow.origins.see(user_id=USER, network=network, client=client, at=at(minutes))


async def seen(
    work: IdentityWork, network: str | None, client: str | None, minutes: int
) -> Familiarity:
    """See in a unit of work of its own, and commit."""
    async with work() as uow:
        found = await see(uow, network, client, minutes)
        await uow.commit()
    return found


async def last_success(work: IdentityWork, network: str) -> datetime | None:
    async with work() as uow:
        return await last_success_in(uow, network)


async def last_success_in(uow: IdentityUnitOfWork, network: str) -> datetime | None:
    found = await uow.origins.last_successes(pairs=[(USER, network)])
    return found.get((USER, network))


class OriginsContract:
    port: ClassVar[type] = Origins
    adapter: ClassVar[type]

    async def test_what_is_tested_is_the_adapter_that_is_named(self, work: IdentityWork) -> None:
        async with work() as uow:
            assert type(uow.origins) is self.adapter

    async def test_what_is_seen_first_was_never_seen_before(self, work: IdentityWork) -> None:
        assert await seen(work, HOME, PHONE, 0) == NEVER

    async def test_what_is_seen_again_was_seen_when_it_was_last(self, work: IdentityWork) -> None:
        await seen(work, HOME, PHONE, 0)
        assert await seen(work, HOME, PHONE, 1) == Familiarity(at(0), at(0))
        assert await seen(work, HOME, PHONE, 2) == Familiarity(at(1), at(1))

    async def test_networks_and_clients_are_known_each_by_itself(self, work: IdentityWork) -> None:
        await seen(work, HOME, PHONE, 0)
        await seen(work, OFFICE, BOT, 1)
        assert await seen(work, OFFICE, PHONE, 2) == Familiarity(at(1), at(0))

    async def test_a_network_is_no_client_of_the_same_spelling(self, work: IdentityWork) -> None:
        await seen(work, "same", None, 0)
        assert await seen(work, None, "same", 1) == NEVER

    async def test_what_one_user_is_seen_with_is_new_for_another(self, work: IdentityWork) -> None:
        await seen(work, HOME, PHONE, 0)
        async with work() as uow:
            found = await uow.origins.see(user_id=OTHER, network=HOME, client=PHONE, at=at(1))
            last = await uow.origins.last_successes(pairs=[(OTHER, OFFICE)])
        assert (found, last) == (NEVER, {})

    async def test_what_is_not_known_is_never_seen(self, work: IdentityWork) -> None:
        for minutes in (0, 1):
            assert await seen(work, None, None, minutes) == NEVER

    async def test_what_is_not_known_does_not_hide_the_other(self, work: IdentityWork) -> None:
        await seen(work, HOME, None, 0)
        await seen(work, None, PHONE, 1)
        assert await seen(work, HOME, PHONE, 2) == Familiarity(at(0), at(1))

    async def test_an_earlier_instant_does_not_take_the_place_of_a_later(
        self, work: IdentityWork
    ) -> None:
        await seen(work, HOME, PHONE, 5)
        assert await seen(work, HOME, PHONE, 0) == Familiarity(at(5), at(5))
        assert await seen(work, HOME, PHONE, 1) == Familiarity(at(5), at(5))

    async def test_the_last_success_is_the_latest_that_was_seen(self, work: IdentityWork) -> None:
        assert await last_success(work, HOME) is None
        for minutes, latest in ((3, 3), (1, 3), (4, 4)):
            await seen(work, HOME, None, minutes)
            assert await last_success(work, HOME) == at(latest)

    async def test_a_client_is_no_network_to_have_succeeded_from(self, work: IdentityWork) -> None:
        await seen(work, None, HOME, 0)
        assert await last_success(work, HOME) is None

    async def test_it_is_seen_in_the_unit_of_work_that_stored_it(self, work: IdentityWork) -> None:
        async with work() as uow:
            await see(uow, HOME, PHONE, 0)
            assert await last_success_in(uow, HOME) == at(0)
            assert await see(uow, HOME, PHONE, 1) == Familiarity(at(0), at(0))

    async def test_what_was_not_committed_was_not_seen(self, work: IdentityWork) -> None:
        await seen(work, HOME, PHONE, 0)
        async with work() as uow:
            await see(uow, HOME, PHONE, 5)
            await see(uow, OFFICE, BOT, 5)
        assert await last_success(work, HOME) == at(0)
        assert await seen(work, OFFICE, BOT, 6) == NEVER

    async def test_it_shows_to_others_once_it_is_committed(
        self, work: IdentityWork, reading: IdentityWork
    ) -> None:
        async with work() as uow:
            await see(uow, HOME, PHONE, 0)
            assert await last_success(reading, HOME) is None
            await uow.commit()
        assert await last_success(reading, HOME) == at(0)

    async def test_any_instant_comes_back_equal(self, work: IdentityWork) -> None:
        instants: list[Any] = [value for case in INSTANTS for value in case.values]
        seoul = at(7).astimezone(timezone(timedelta(hours=9)))
        for number, instant in enumerate([*instants, seoul]):
            network = f"192.0.2.{number}"
            async with work() as uow:
                await uow.origins.see(user_id=USER, network=network, client=None, at=instant)
                await uow.commit()
            assert await last_success(work, network) == instant

    async def test_any_text_is_told_from_any_other(self, work: IdentityWork) -> None:
        texts = [str(value) for case in STORABLE_TEXTS for value in case.values]
        for text in [*texts, "A", "a", "x" * storage.ORIGIN]:
            assert await seen(work, text, text, 0) == NEVER
            assert await seen(work, text, text, 1) == Familiarity(at(0), at(0))

    @pytest.mark.parametrize("text", [*UNSTORABLE_TEXTS, "x" * (storage.ORIGIN + 1)])
    async def test_a_text_that_cannot_be_stored_is_refused(
        self, work: IdentityWork, text: str
    ) -> None:
        for network, client in ((text, PHONE), (HOME, text)):
            async with work() as uow:
                with pytest.raises(UnstorableText):
                    await see(uow, network, client, 0)
        assert await last_success(work, HOME) is None

    @pytest.mark.parametrize("text", [*UNSTORABLE_TEXTS, "x" * (storage.ORIGIN + 1)])
    async def test_a_network_that_nobody_can_have_is_nobodys(
        self, work: IdentityWork, text: str
    ) -> None:
        async with work() as uow:
            assert await last_success_in(uow, text) is None
            assert await last_success_in(uow, HOME) is None

    async def test_the_last_successes_of_several_are_told_by_user_and_network(
        self, work: IdentityWork
    ) -> None:
        await seen(work, HOME, None, 1)
        await seen(work, OFFICE, None, 2)
        async with work() as uow:
            await uow.origins.see(user_id=OTHER, network=HOME, client=None, at=at(3))
            pairs = [(USER, HOME), (OTHER, OFFICE), (OTHER, HOME), (USER, "a\0b"), (USER, HOME)]
            found = await uow.origins.last_successes(pairs=pairs)
            none = await uow.origins.last_successes(pairs=[])
        assert (found, none) == ({(USER, HOME): at(1), (OTHER, HOME): at(3)}, {})

    async def test_of_two_that_are_first_at_once_the_second_sees_the_first(
        self, work: IdentityWork
    ) -> None:
        found: list[Familiarity] = []

        async def second(uow: IdentityUnitOfWork) -> None:
            found.append(await see(uow, OFFICE, PHONE, 1))

        through = await race(
            work,
            first=lambda uow: see(uow, HOME, PHONE, 0),
            meanwhile=lambda uow: last_success_in(uow, HOME),
            last=lambda uow: uow.commit(),
            second=second,
        )
        assert through == ["first", "second"]
        assert found == [Familiarity(None, at(0))]

    async def test_a_second_sees_nothing_of_a_first_that_was_not_kept(
        self, work: IdentityWork
    ) -> None:
        found: list[Familiarity] = []

        async def second(uow: IdentityUnitOfWork) -> None:
            found.append(await see(uow, HOME, PHONE, 1))

        await race(
            work,
            first=lambda uow: see(uow, HOME, PHONE, 0),
            meanwhile=lambda uow: last_success_in(uow, HOME),
            last=None,
            second=second,
        )
        assert found == [NEVER]
