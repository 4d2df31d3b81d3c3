from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from ipaddress import ip_network
from typing import ClassVar

import pytest

from app.domain.errors import UnstorableText
from app.domain.identity import storage
from app.domain.identity.api_keys import ApiKey
from app.domain.identity.errors import UnknownApiKey, UnknownUser
from app.domain.identity.users import User
from app.domain.principal import Role, Scope
from app.ports.identity.api_keys import ApiKeys
from app.ports.identity.work import IdentityUnitOfWork, IdentityWork
from tests.builders import a_user, an_api_key, at, new_id
from tests.contracts.identity_store import SPREAD_IDS, api_keys_of, commit, keep, look_around
from tests.contracts.races import race
from tests.contracts.values import INSTANTS, STORABLE_TEXTS, UNSTORABLE_TEXTS

SEOUL = timezone(timedelta(hours=9))
NETWORKS = tuple(
    map(ip_network, ("203.0.113.7/32", "10.0.0.0/8", "2001:db8::/32", "0.0.0.0/0", "::/0"))
)
LONGEST_NETWORKS = tuple(ip_network(f"{'ffff:' * 7}{n:x}/128") for n in range(65504, 65536))

UNSTORABLE = [str(value.values[0]) for value in UNSTORABLE_TEXTS]
WITH_TEXT: dict[str, Callable[[ApiKey, str], ApiKey]] = {
    "name": lambda key, text: replace(key, name=text),
    "digest": lambda key, text: replace(key, digest=text),
    "last_used_ip": lambda key, text: replace(key, last_used_ip=text),
}
BOUNDS = {
    "name": storage.API_KEY_NAME,
    "digest": storage.API_KEY_DIGEST,
    "last_used_ip": storage.IP,
}


async def key_of(work: IdentityWork, api_key: ApiKey) -> ApiKey | None:
    async with work() as uow:
        found = await uow.api_keys.with_owner(key_id=api_key.id)
    return None if found is None else found[0]


async def count_of(work: IdentityWork, user: User, when: datetime) -> int:
    async with work() as uow:
        return await uow.api_keys.count_live(user_id=user.id, at=when)


class ApiKeysContract:
    port: ClassVar[type] = ApiKeys
    adapter: ClassVar[type]

    async def test_what_is_tested_is_the_adapter_that_is_named(self, work: IdentityWork) -> None:
        async with work() as uow:
            assert type(uow.api_keys) is self.adapter

    # -- adding and reading ------------------------------------------------------------------

    async def test_a_key_comes_back_with_every_field_and_with_its_owner(
        self, work: IdentityWork
    ) -> None:
        user = a_user(username="Owner", email="Owner@example.org", role=Role.ADMIN, disabled=True)
        other = a_user()
        api_key = an_api_key(
            user_id=user.id,
            name="grid bot, 7",
            scopes=frozenset(Scope),
            digest="f" * 64,
            created_at=at(0),
            expires_at=at(1),
            allowed_networks=NETWORKS,
            last_used_at=at(2),
            last_used_ip="2001:db8::1",
            retires_at=at(3),
            revoked_at=at(4),
        )
        await keep(work, user, other, api_key, an_api_key(user_id=other.id))
        async with work() as uow:
            assert await uow.api_keys.with_owner(key_id=api_key.id) == (api_key, user)

    async def test_a_key_comes_back_without_what_it_has_not(self, work: IdentityWork) -> None:
        user = a_user()
        api_key = an_api_key(user_id=user.id, scopes=frozenset())
        await keep(work, user, api_key)
        assert await key_of(work, api_key) == api_key

    @pytest.mark.parametrize("instant", INSTANTS)
    async def test_an_instant_comes_back_equal(self, work: IdentityWork, instant: datetime) -> None:
        user = a_user()
        api_key = an_api_key(
            user_id=user.id,
            created_at=instant,
            expires_at=instant,
            last_used_at=instant,
            retires_at=instant,
            revoked_at=instant,
        )
        await keep(work, user, api_key)
        assert await key_of(work, api_key) == api_key

    @pytest.mark.parametrize("instant", INSTANTS)
    async def test_an_instant_comes_back_in_utc(
        self, work: IdentityWork, instant: datetime
    ) -> None:
        user = a_user()
        api_key = an_api_key(user_id=user.id, created_at=instant)
        await keep(work, user, api_key)
        found = await key_of(work, api_key)
        assert found is not None
        assert found.created_at.utcoffset() == timedelta(0)

    async def test_an_instant_of_another_zone_comes_back_equal(self, work: IdentityWork) -> None:
        user = a_user()
        api_key = an_api_key(user_id=user.id, created_at=at().astimezone(SEOUL))
        await keep(work, user, api_key)
        assert await key_of(work, api_key) == api_key

    @pytest.mark.parametrize("text", STORABLE_TEXTS)
    async def test_a_text_comes_back_as_it_was(self, work: IdentityWork, text: str) -> None:
        user = a_user()
        api_key = an_api_key(user_id=user.id, name=text, digest=text, last_used_ip=text)
        await keep(work, user, api_key)
        assert await key_of(work, api_key) == api_key

    async def test_what_is_as_long_as_its_bound_is_kept(self, work: IdentityWork) -> None:
        user = a_user()
        api_key = an_api_key(user_id=user.id, allowed_networks=LONGEST_NETWORKS)
        for field, with_text in WITH_TEXT.items():
            api_key = with_text(api_key, "\U0001f642" * BOUNDS[field])
        await keep(work, user, api_key)
        assert await key_of(work, api_key) == api_key

    @pytest.mark.parametrize("field", WITH_TEXT)
    async def test_a_text_that_cannot_be_stored_is_refused(
        self, work: IdentityWork, field: str
    ) -> None:
        user = a_user()
        known, new = (an_api_key(user_id=user.id) for _ in range(2))
        await keep(work, user, known)
        for text in [*UNSTORABLE, "a" * (BOUNDS[field] + 1)]:
            async with work() as uow:
                with pytest.raises(UnstorableText):
                    await uow.api_keys.add(api_key=WITH_TEXT[field](new, text))
            async with work() as uow:
                with pytest.raises(UnstorableText):
                    await uow.api_keys.replace(api_key=WITH_TEXT[field](known, text))
        assert await api_keys_of(work) == [known]

    async def test_a_key_of_nobody_is_refused(self, work: IdentityWork) -> None:
        await keep(work, a_user())
        async with work() as uow:
            with pytest.raises(UnknownUser):
                await uow.api_keys.add(api_key=an_api_key())

    async def test_an_unknown_id_is_no_key(self, work: IdentityWork) -> None:
        user = a_user()
        await keep(work, user, an_api_key(user_id=user.id))
        async with work() as uow:
            assert await uow.api_keys.with_owner(key_id=new_id()) is None
            assert await uow.api_keys.hold(key_id=new_id()) is None

    async def test_a_key_is_read_in_the_unit_of_work_that_made_it(self, work: IdentityWork) -> None:
        user = a_user()
        api_key = an_api_key(user_id=user.id)
        async with work() as uow:
            await uow.users.add(user=user)
            await uow.api_keys.add(api_key=api_key)
            assert await uow.api_keys.with_owner(key_id=api_key.id) == (api_key, user)
        assert await api_keys_of(work) == []

    async def test_an_owner_is_read_as_they_are_by_now(
        self, work: IdentityWork, reading: IdentityWork
    ) -> None:
        user = a_user()
        api_key = an_api_key(user_id=user.id)
        await keep(work, user, api_key)
        async with reading() as uow:
            await uow.api_keys.with_owner(key_id=api_key.id)
            async with work() as other:
                await other.users.replace(user=replace(user, disabled=True))
                await other.api_keys.replace(api_key=api_key.revoked(at(1)))
                await other.commit()
            assert await uow.api_keys.with_owner(key_id=api_key.id) == (
                api_key.revoked(at(1)),
                replace(user, disabled=True),
            )

    # -- changing ----------------------------------------------------------------------------

    async def test_replacing_stores_all_fields_of_that_key_only(self, work: IdentityWork) -> None:
        user = a_user()
        one, other = (an_api_key(user_id=user.id) for _ in range(2))
        await keep(work, user, one, other)
        changed = ApiKey(
            id=one.id,
            user_id=user.id,
            name="another name",
            scopes=frozenset({Scope.USERS_ADMIN, Scope.LOGIN_LOG_READ}),
            digest="another digest",
            created_at=at(1),
            expires_at=at(2),
            allowed_networks=NETWORKS[:1],
            last_used_at=at(3),
            last_used_ip="192.0.2.1",
            retires_at=at(4),
            revoked_at=at(5),
        )
        async with work() as uow:
            await uow.api_keys.replace(api_key=changed)
            await uow.commit()
        assert await api_keys_of(work) == [other, changed]

    async def test_no_key_is_replaced_that_is_not_there_or_is_somebody_elses(
        self, work: IdentityWork
    ) -> None:
        user, other = a_user(), a_user()
        api_key = an_api_key(user_id=user.id)
        await keep(work, user, other, api_key)
        for unknown in (an_api_key(user_id=user.id), replace(api_key, user_id=other.id)):
            async with work() as uow:
                with pytest.raises(UnknownApiKey):
                    await uow.api_keys.replace(api_key=unknown)
        assert await api_keys_of(work) == [api_key]

    async def test_using_a_key_says_when_and_from_where_of_that_key_only(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        one, other = (an_api_key(user_id=user.id, last_used_at=at(5)) for _ in range(2))
        await keep(work, user, one, other)
        for when, ip in ((at(7), "192.0.2.1"), (at(6), None)):  # a clock that went back, too
            async with work() as uow:
                await uow.api_keys.use(key_id=one.id, at=when, ip=ip)
                await uow.commit()
            used = replace(one, last_used_at=when, last_used_ip=ip)
            assert await api_keys_of(work) == [other, used]

    async def test_using_an_unknown_key_passes(self, work: IdentityWork) -> None:
        user = a_user()
        async with work() as uow:
            await uow.api_keys.use(key_id=new_id(), at=at(), ip=None)
            await uow.users.add(user=user)
            await uow.commit()
        async with work() as uow:
            assert await uow.users.get(user_id=user.id) == user

    async def test_a_use_from_an_address_that_cannot_be_stored_is_refused(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        api_key = an_api_key(user_id=user.id)
        await keep(work, user, api_key)
        for text in [*UNSTORABLE, "a" * (storage.IP + 1)]:
            async with work() as uow:
                with pytest.raises(UnstorableText):
                    await uow.api_keys.use(key_id=api_key.id, at=at(1), ip=text)
        assert await key_of(work, api_key) == api_key

    # -- counting ----------------------------------------------------------------------------

    async def test_only_what_is_live_is_counted(self, work: IdentityWork) -> None:
        user, other = a_user(), a_user()
        ends = (None, at(-1), at(0), at(1))
        keys = [
            an_api_key(user_id=user.id, expires_at=expires, retires_at=retires, revoked_at=revoked)
            for expires in ends
            for retires in ends
            for revoked in (None, at(1))
        ]
        await keep(work, user, other, *keys, an_api_key(user_id=other.id))
        live = sum(api_key.is_live(at(0)) for api_key in keys)
        assert live == 4
        assert await count_of(work, user, at(0)) == live

    async def test_a_time_is_the_same_in_whatever_zone_keys_are_counted(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        await keep(work, user, an_api_key(user_id=user.id, expires_at=at(0)))
        before = (at(0) - timedelta(microseconds=1)).astimezone(SEOUL)
        assert await count_of(work, user, before) == 1
        assert await count_of(work, user, at(0).astimezone(SEOUL)) == 0

    async def test_of_a_user_without_keys_none_is_counted(self, work: IdentityWork) -> None:
        assert await count_of(work, a_user(), at(0)) == 0

    async def test_what_a_unit_of_work_added_and_ended_counts(self, work: IdentityWork) -> None:
        user = a_user()
        one, two, three = (an_api_key(user_id=user.id) for _ in range(3))
        await keep(work, user, one)
        async with work() as uow:
            await uow.api_keys.add(api_key=two)
            await uow.api_keys.add(api_key=three)
            await uow.api_keys.replace(api_key=one.revoked(at(0)))
            assert await uow.api_keys.count_live(user_id=user.id, at=at(0)) == 2

    # -- pages -------------------------------------------------------------------------------

    async def test_keys_come_by_id_descending_over_its_whole_width(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        keys = [an_api_key(key_id=key_id, user_id=user.id) for key_id in SPREAD_IDS]
        await keep(work, user, *keys[::2], *keys[1::2])
        assert await api_keys_of(work) == keys[::-1]

    async def test_a_page_is_of_one_user_or_of_everyone(self, work: IdentityWork) -> None:
        user, other = a_user(), a_user()
        keys = [an_api_key(user_id=owner.id) for owner in (user, other, user, other)]
        await keep(work, user, other, *keys)
        assert await api_keys_of(work, user.id) == [keys[2], keys[0]]
        assert await api_keys_of(work, None) == keys[::-1]
        assert await api_keys_of(work, new_id()) == []

    @pytest.mark.parametrize("limit", [0, 1, 2, 3])
    async def test_a_page_has_at_most_its_limit(self, work: IdentityWork, limit: int) -> None:
        user = a_user()
        keys = [an_api_key(user_id=user.id) for _ in range(2)]
        await keep(work, user, *keys)
        async with work() as uow:
            page = await uow.api_keys.page(user_id=user.id, before=None, limit=limit)
        assert page == keys[::-1][:limit]

    async def test_pages_have_every_key_once(self, work: IdentityWork) -> None:
        user, other = a_user(), a_user()
        keys = [an_api_key(key_id=key_id, user_id=user.id) for key_id in SPREAD_IDS]
        await keep(work, user, other, *keys, an_api_key(user_id=other.id))
        found: list[ApiKey] = []
        async with work() as uow:
            while len(found) < len(keys):
                before = found[-1].id if found else None
                page = await uow.api_keys.page(user_id=user.id, before=before, limit=3)
                assert page
                found += page
            rest = await uow.api_keys.page(user_id=user.id, before=found[-1].id, limit=3)
        assert (found, rest) == (keys[::-1], [])

    async def test_a_page_begins_below_an_id_that_no_key_has(self, work: IdentityWork) -> None:
        user = a_user()
        older, between, newer = (
            an_api_key(key_id=key_id, user_id=user.id) for key_id in SPREAD_IDS[2:5]
        )
        await keep(work, user, older, newer)
        async with work() as uow:
            assert await uow.api_keys.page(user_id=None, before=between.id, limit=9) == [older]

    # -- two at once -------------------------------------------------------------------------

    async def test_who_wants_a_held_key_waits(self, work: IdentityWork) -> None:
        user = a_user()
        api_key = an_api_key(user_id=user.id)
        await keep(work, user, api_key)
        seconds: list[Callable[[IdentityUnitOfWork], object]] = [
            lambda uow: uow.api_keys.hold(key_id=api_key.id),
            lambda uow: uow.api_keys.replace(api_key=api_key),
            lambda uow: uow.api_keys.use(key_id=api_key.id, at=at(), ip=None),
        ]
        for second in seconds:
            through = await race(
                work,
                first=lambda uow: uow.api_keys.hold(key_id=api_key.id),
                meanwhile=look_around,
                last=commit,
                second=second,  # type: ignore[arg-type] # each is awaitable
            )
            assert through == ["first", "second"]

    async def test_whoever_held_the_key_later_sees_what_was_done_before(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        api_key = an_api_key(user_id=user.id)
        await keep(work, user, api_key)
        seen: list[ApiKey | None] = []

        async def hold_and_revoke(uow: IdentityUnitOfWork) -> None:
            await uow.api_keys.hold(key_id=api_key.id)
            await uow.api_keys.replace(api_key=api_key.revoked(at(1)))

        async def hold(uow: IdentityUnitOfWork) -> None:
            seen.append(await uow.api_keys.hold(key_id=api_key.id))

        await race(work, first=hold_and_revoke, meanwhile=look_around, last=commit, second=hold)
        assert seen == [api_key.revoked(at(1))]

    async def test_whoever_held_the_key_later_sees_nothing_of_what_was_not_kept(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        api_key = an_api_key(user_id=user.id)
        await keep(work, user, api_key)
        seen: list[ApiKey | None] = []

        async def hold_and_use(uow: IdentityUnitOfWork) -> None:
            await uow.api_keys.hold(key_id=api_key.id)
            await uow.api_keys.use(key_id=api_key.id, at=at(1), ip="192.0.2.1")

        async def hold(uow: IdentityUnitOfWork) -> None:
            seen.append(await uow.api_keys.hold(key_id=api_key.id))

        await race(work, first=hold_and_use, meanwhile=look_around, last=None, second=hold)
        assert seen == [api_key]
