import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar, cast
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

import pytest

from app.domain.errors import TickgateError, UnitOfWorkFailed, UnstorableText
from app.domain.identity.errors import UnknownUser
from app.domain.identity.second_factor import MfaChallenge, SecondFactor
from app.domain.identity.users import User
from app.ports.identity.second_factor import MfaChallenges, OneTimeCodes, SecondFactors
from app.ports.identity.work import IdentityUnitOfWork, IdentityWork
from tests.builders import a_challenge, a_second_factor, a_user, at, new_id
from tests.contracts.races import race
from tests.contracts.values import INSTANTS, UNSTORABLE_TEXTS

LONGEST = "x" * 64
UNSTORABLE: list[str] = [str(parameter.values[0]) for parameter in UNSTORABLE_TEXTS]
TIMES: list[datetime] = [cast("datetime", parameter.values[0]) for parameter in INSTANTS]
SEOUL_NOON = datetime.fromisoformat("2026-01-05T12:00:00.000001+09:00")


class OneTimeCodesContract:
    port: ClassVar[type] = OneTimeCodes
    adapter: ClassVar[type]

    # RFC 6238, appendix B, and RFC 4226, appendix D: the secret is «12345678901234567890».
    secret: ClassVar[str] = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    of_rfc_6238: ClassVar[dict[int, str]] = {
        59: "287082",
        1111111109: "081804",
        1111111111: "050471",
        1234567890: "005924",
        2000000000: "279037",
        20000000000: "353130",
    }
    of_rfc_4226: ClassVar[list[str]] = [
        *("755224", "287082", "359152", "969429", "338314"),
        *("254676", "287922", "162583", "399871", "520489"),
    ]

    def test_what_is_tested_is_the_adapter_that_is_named(self, codes: OneTimeCodes) -> None:
        assert type(codes) is self.adapter

    def step(self, codes: OneTimeCodes, code: str, second: float) -> int | None:
        moment = datetime.fromtimestamp(second, UTC)
        return codes.matching_step(secret=self.secret, code=code, at=moment)

    def test_the_codes_are_those_of_the_rfc_at_its_times(self, codes: OneTimeCodes) -> None:
        steps = {at: self.step(codes, code, at) for at, code in self.of_rfc_6238.items()}
        assert steps == {at: at // 30 for at in self.of_rfc_6238}

    def test_the_codes_are_those_of_the_rfc_step_by_step(self, codes: OneTimeCodes) -> None:
        found = [
            self.step(codes, code, 30 * step + 29.9) for step, code in enumerate(self.of_rfc_4226)
        ]
        assert found == list(range(10))

    def test_a_clock_may_be_one_step_off_and_not_two(self, codes: OneTimeCodes) -> None:
        fifth = self.of_rfc_4226[5]
        found = [self.step(codes, fifth, 30 * step) for step in range(3, 8)]
        assert found == [None, 5, 5, 5, None]

    def test_a_step_begins_at_its_first_microsecond(self, codes: OneTimeCodes) -> None:
        third = self.of_rfc_4226[3]
        found = [self.step(codes, third, second) for second in (59.999999, 60, 149.999999, 150)]
        assert found == [None, 3, 3, None]

    def test_a_zone_changes_nothing(self, codes: OneTimeCodes) -> None:
        moment = datetime.fromisoformat("1970-01-01T09:00:59+09:00")
        assert codes.matching_step(secret=self.secret, code="287082", at=moment) == 1

    def test_before_1970_no_code_fits(self, codes: OneTimeCodes) -> None:
        assert self.step(codes, self.of_rfc_4226[0], -60) is None
        assert self.step(codes, self.of_rfc_4226[0], -1) == 0

    def test_nothing_but_six_digits_of_ascii_fits(self, codes: OneTimeCodes) -> None:
        strange = [
            *("", "28708", "2870821", "0287082", " 287082", "287082 ", "287 082", "+87082"),
            *("287082\n", "28708a", "\uff12\uff18\uff17\uff10\uff18\uff12", "\u0662\u0668\u0667"),
            *("\u0662\u0668\u0667\u0660\u0668\u0662", "\ud800", "\0", "2" * 100_000),
        ]
        assert [code for code in strange if self.step(codes, code, 59) is not None] == []

    def test_a_code_of_another_secret_does_not_fit(self, codes: OneTimeCodes) -> None:
        moment = datetime.fromtimestamp(59, UTC)
        secrets = [codes.new_secret() for _ in range(3)]
        found = [codes.matching_step(secret=secret, code="287082", at=moment) for secret in secrets]
        assert found == [None] * 3

    def test_a_secret_is_160_bits_in_base32(self, codes: OneTimeCodes) -> None:
        assert re.fullmatch("[A-Z2-7]{32}", codes.new_secret())

    def test_no_secret_is_given_twice(self, codes: OneTimeCodes) -> None:
        assert len({codes.new_secret() for _ in range(100)}) == 100

    def test_an_address_says_what_a_device_needs(self, codes: OneTimeCodes) -> None:
        address = codes.uri(secret=self.secret, username="grid-bot.7_a", issuer="tickgate")
        parts = urlsplit(address)
        query = parse_qs(parts.query)
        assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
        assert unquote(parts.path) == "/tickgate:grid-bot.7_a"
        assert (query["secret"], query["issuer"]) == ([self.secret], ["tickgate"])


async def keep(work: IdentityWork, *things: User | SecondFactor | MfaChallenge) -> None:
    """Store things, each behind what it refers to, and commit."""
    async with work() as uow:
        for thing in things:
            match thing:
                case User():
                    await uow.users.add(user=thing)
                case SecondFactor():
                    await uow.second_factors.put(factor=thing)
                case MfaChallenge():  # pragma: no branch - there is no other kind
                    await uow.mfa_challenges.add(challenge=thing)
        await uow.commit()


async def keep_codes(work: IdentityWork, user: User, *digests: str) -> None:
    async with work() as uow:
        await uow.second_factors.put_recovery_codes(user_id=user.id, digests=digests)
        await uow.commit()


async def factor_of(work: IdentityWork, user_id: UUID) -> SecondFactor | None:
    async with work() as uow:
        return await uow.second_factors.get(user_id=user_id)


async def codes_left(work: IdentityWork, user: User) -> int:
    async with work() as uow:
        return await uow.second_factors.count_recovery_codes(user_id=user.id)


async def challenge_of(work: IdentityWork, digest: str) -> MfaChallenge | None:
    async with work() as uow:
        return await uow.mfa_challenges.hold(digest=digest)


async def look_around(uow: IdentityUnitOfWork) -> None:
    await uow.users.get(user_id=new_id())


async def commit(uow: IdentityUnitOfWork) -> None:
    await uow.commit()


async def refusal_of(
    work: IdentityWork, step: Callable[[IdentityUnitOfWork], Awaitable[object]]
) -> type[TickgateError] | None:
    """Do what should be refused, and see that the unit of work is of no more use."""
    async with work() as uow:
        try:
            await step(uow)
        except TickgateError as error:
            with pytest.raises(UnitOfWorkFailed):
                await uow.commit()
            return type(error)
    return None  # pragma: no cover - a failure


async def who_did(
    work: IdentityWork, step: Callable[[IdentityUnitOfWork], Awaitable[bool]], *, kept: bool
) -> dict[str, bool]:
    """Let two units of work do the same at once, and tell which of them did it."""
    did: dict[str, bool] = {}

    async def first(uow: IdentityUnitOfWork) -> None:
        did["first"] = await step(uow)

    async def second(uow: IdentityUnitOfWork) -> None:
        did["second"] = await step(uow)
        await uow.commit()

    last = commit if kept else None
    through = await race(work, first=first, meanwhile=look_around, last=last, second=second)
    assert through == ["first", "second"]
    return did


class SecondFactorsContract:
    port: ClassVar[type] = SecondFactors
    adapter: ClassVar[type]

    async def test_what_is_tested_is_the_adapter_that_is_named(self, work: IdentityWork) -> None:
        async with work() as uow:
            assert type(uow.second_factors) is self.adapter

    async def test_a_factor_comes_back_with_every_field(self, work: IdentityWork) -> None:
        user, other = a_user(), a_user()
        bare = a_second_factor(user_id=user.id)
        full = SecondFactor(
            other.id, "x" * 255, created_at=at(1), confirmed_at=at(2), last_step=2**62
        )
        await keep(work, user, other, bare, full)
        assert await factor_of(work, user.id) == bare
        assert await factor_of(work, other.id) == full

    async def test_an_instant_comes_back_equal(self, work: IdentityWork) -> None:
        user = a_user()
        await keep(work, user)
        for instant in [*TIMES, SEOUL_NOON]:
            factor = a_second_factor(user_id=user.id, created_at=instant, confirmed_at=instant)
            await keep(work, factor)
            assert await factor_of(work, user.id) == factor

    async def test_who_has_no_factor_has_none(self, work: IdentityWork) -> None:
        user = a_user()
        await keep(work, user)
        assert await factor_of(work, user.id) is None
        assert await factor_of(work, new_id()) is None

    async def test_a_factor_takes_the_place_of_the_one_before(self, work: IdentityWork) -> None:
        user, other = a_user(), a_user()
        others = a_second_factor(user_id=other.id)
        first = a_second_factor(user_id=user.id, confirmed_at=at(1), last_step=7)
        second = SecondFactor(user.id, "another", created_at=at(9))
        await keep(work, user, other, others, first, second)
        assert await factor_of(work, user.id) == second
        assert await factor_of(work, other.id) == others

    async def test_a_factor_of_nobody_is_refused(self, work: IdentityWork) -> None:
        factor = a_second_factor(user_id=new_id())
        refused = await refusal_of(work, lambda uow: uow.second_factors.put(factor=factor))
        assert refused is UnknownUser

    async def test_a_text_that_cannot_be_stored_is_refused(self, work: IdentityWork) -> None:
        user = a_user()
        await keep(work, user)
        for text in [*UNSTORABLE, "x" * 256]:
            factor = a_second_factor(user_id=user.id, sealed_secret=text)

            async def put(uow: IdentityUnitOfWork, factor: SecondFactor = factor) -> None:
                await uow.second_factors.put(factor=factor)

            assert await refusal_of(work, put) is UnstorableText

    async def test_what_is_not_committed_is_not_there(
        self, work: IdentityWork, reading: IdentityWork
    ) -> None:
        user = a_user()
        await keep(work, user)
        factor = a_second_factor(user_id=user.id)
        async with work() as uow:
            await uow.second_factors.put(factor=factor)
            await uow.second_factors.put_recovery_codes(user_id=user.id, digests=["a", "b"])
            assert await uow.second_factors.get(user_id=user.id) == factor
            assert await uow.second_factors.count_recovery_codes(user_id=user.id) == 2
            assert await factor_of(reading, user.id) is None
        assert await factor_of(work, user.id) is None
        assert await codes_left(work, user) == 0

    async def test_only_a_later_step_is_used(self, work: IdentityWork) -> None:
        user, other = a_user(), a_user()
        factors = [a_second_factor(user_id=each.id) for each in (user, other)]
        await keep(work, user, other, *factors)
        used = []
        for step in (5, 5, 4, 6, 2**40, 7):
            async with work() as uow:
                used.append(await uow.second_factors.use_step(user_id=user.id, step=step))
                await uow.commit()
        assert used == [True, False, False, True, True, False]
        assert await factor_of(work, user.id) == replace(factors[0], last_step=2**40)
        assert await factor_of(work, other.id) == factors[1]

    async def test_a_step_is_not_used_where_there_is_no_factor(self, work: IdentityWork) -> None:
        user = a_user()
        async with work() as uow:
            await uow.users.add(user=user)
            assert not await uow.second_factors.use_step(user_id=user.id, step=1)
            await uow.commit()
        assert await factor_of(work, user.id) is None

    @pytest.mark.parametrize("kept", [True, False], ids=["kept", "not-kept"])
    async def test_of_two_who_use_a_step_at_once_one_does(
        self, work: IdentityWork, *, kept: bool
    ) -> None:
        user = a_user()
        await keep(work, user, a_second_factor(user_id=user.id, last_step=4))
        did = await who_did(
            work, lambda uow: uow.second_factors.use_step(user_id=user.id, step=5), kept=kept
        )
        assert did == {"first": True, "second": not kept}

    async def test_removing_takes_the_factor_and_the_codes_of_that_user(
        self, work: IdentityWork
    ) -> None:
        user, other = a_user(), a_user()
        factors = [a_second_factor(user_id=each.id) for each in (user, other)]
        await keep(work, user, other, *factors)
        await keep_codes(work, user, "a")
        await keep_codes(work, other, "a")
        removed = []
        for _ in range(2):
            async with work() as uow:
                removed.append(await uow.second_factors.remove(user_id=user.id))
                await uow.commit()
        assert removed == [True, False]
        assert (await factor_of(work, user.id), await codes_left(work, user)) == (None, 0)
        assert (await factor_of(work, other.id), await codes_left(work, other)) == (factors[1], 1)

    async def test_a_removal_that_is_not_kept_leaves_everything(self, work: IdentityWork) -> None:
        user = a_user()
        factor = a_second_factor(user_id=user.id)
        await keep(work, user, factor)
        await keep_codes(work, user, "a")
        async with work() as uow:
            await uow.second_factors.remove(user_id=user.id)
        assert (await factor_of(work, user.id), await codes_left(work, user)) == (factor, 1)

    async def test_codes_take_the_place_of_those_before(self, work: IdentityWork) -> None:
        user, other = a_user(), a_user()
        await keep(work, user, other)
        await keep_codes(work, other, "a")
        counts = []
        for digests in (["a", "b", LONGEST], ["b", "c"], []):
            await keep_codes(work, user, *digests)
            counts.append(await codes_left(work, user))
        assert counts == [3, 2, 0]
        assert await codes_left(work, other) == 1

    async def test_a_code_that_was_used_is_unused_when_it_is_put_anew(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        await keep(work, user)
        await keep_codes(work, user, "a")
        async with work() as uow:
            await uow.second_factors.use_recovery_code(user_id=user.id, digest="a", at=at())
            await uow.second_factors.put_recovery_codes(user_id=user.id, digests=["a"])
            await uow.commit()
        assert await codes_left(work, user) == 1

    async def test_codes_of_nobody_are_refused(self, work: IdentityWork) -> None:
        async def put(uow: IdentityUnitOfWork) -> None:
            await uow.second_factors.put_recovery_codes(user_id=new_id(), digests=["a"])

        assert await refusal_of(work, put) is UnknownUser

    async def test_a_digest_that_cannot_be_stored_is_refused(self, work: IdentityWork) -> None:
        user = a_user()
        await keep(work, user)
        await keep_codes(work, user, "a")
        for text in [*UNSTORABLE, f"{LONGEST}x"]:

            async def put(uow: IdentityUnitOfWork, digest: str = text) -> None:
                await uow.second_factors.put_recovery_codes(user_id=user.id, digests=["b", digest])

            assert await refusal_of(work, put) is UnstorableText
        assert await codes_left(work, user) == 1

    async def test_a_code_is_used_once_and_by_its_user_only(self, work: IdentityWork) -> None:
        user, other = a_user(), a_user()
        await keep(work, user, other)
        await keep_codes(work, user, "a", "b")
        await keep_codes(work, other, "c")
        used = []
        for owner, digest in (
            *((user, "a"), (user, "a"), (user, "c"), (other, "b"), (user, "A"), (user, "")),
            *((user, text) for text in [*UNSTORABLE, f"{LONGEST}x"]),
            (user, "b"),
        ):
            async with work() as uow:
                used.append(
                    await uow.second_factors.use_recovery_code(
                        user_id=owner.id, digest=digest, at=at(1)
                    )
                )
                await uow.commit()
        assert used == [True, *[False] * (len(used) - 2), True]
        assert (await codes_left(work, user), await codes_left(work, other)) == (0, 1)

    async def test_a_use_that_is_not_kept_leaves_the_code_unused(self, work: IdentityWork) -> None:
        user = a_user()
        await keep(work, user)
        await keep_codes(work, user, "a")
        async with work() as uow:
            await uow.second_factors.use_recovery_code(user_id=user.id, digest="a", at=at())
        assert await codes_left(work, user) == 1

    @pytest.mark.parametrize("kept", [True, False], ids=["kept", "not-kept"])
    async def test_of_two_who_use_a_code_at_once_one_does(
        self, work: IdentityWork, *, kept: bool
    ) -> None:
        user = a_user()
        await keep(work, user)
        await keep_codes(work, user, "a")

        async def use(uow: IdentityUnitOfWork) -> bool:
            return await uow.second_factors.use_recovery_code(user_id=user.id, digest="a", at=at(1))

        assert await who_did(work, use, kept=kept) == {"first": True, "second": not kept}


class MfaChallengesContract:
    port: ClassVar[type] = MfaChallenges
    adapter: ClassVar[type]

    async def test_what_is_tested_is_the_adapter_that_is_named(self, work: IdentityWork) -> None:
        async with work() as uow:
            assert type(uow.mfa_challenges) is self.adapter

    async def test_a_challenge_comes_back_with_every_field(self, work: IdentityWork) -> None:
        user = a_user()
        bare = a_challenge(user_id=user.id)
        full = MfaChallenge(LONGEST, user.id, at(1), at(2), at(3), used_at=at(4), wrong_codes=5)
        await keep(work, user, bare, full)
        assert await challenge_of(work, bare.digest) == bare
        assert await challenge_of(work, LONGEST) == full

    async def test_an_instant_comes_back_equal(self, work: IdentityWork) -> None:
        user = a_user()
        await keep(work, user)
        for instant in [*TIMES, SEOUL_NOON]:
            challenge = replace(
                a_challenge(user_id=user.id),
                password_changed_at=instant,
                created_at=instant,
                expires_at=instant,
                used_at=instant,
            )
            await keep(work, challenge)
            assert await challenge_of(work, challenge.digest) == challenge

    async def test_an_unknown_digest_is_no_challenge(self, work: IdentityWork) -> None:
        assert await challenge_of(work, "0") is None

    async def test_after_a_digest_that_nobody_can_have_the_unit_of_work_goes_on(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        async with work() as uow:
            for text in [*UNSTORABLE, f"{LONGEST}x"]:
                assert await uow.mfa_challenges.hold(digest=text) is None
                unheard = a_challenge(user_id=user.id, digest=text)
                await uow.mfa_challenges.replace(challenge=unheard)
            await uow.users.add(user=user)
            await uow.commit()
            kept = user
        async with work() as uow:
            assert await uow.users.get(user_id=user.id) == kept

    async def test_a_digest_that_cannot_be_stored_is_refused(self, work: IdentityWork) -> None:
        user = a_user()
        await keep(work, user)
        for text in [*UNSTORABLE, f"{LONGEST}x"]:
            challenge = a_challenge(user_id=user.id, digest=text)

            async def add(uow: IdentityUnitOfWork, challenge: MfaChallenge = challenge) -> None:
                await uow.mfa_challenges.add(challenge=challenge)

            assert await refusal_of(work, add) is UnstorableText

    async def test_a_challenge_of_nobody_is_refused(self, work: IdentityWork) -> None:
        challenge = a_challenge(user_id=new_id())
        refused = await refusal_of(work, lambda uow: uow.mfa_challenges.add(challenge=challenge))
        assert refused is UnknownUser

    async def test_replacing_stores_the_use_and_the_wrong_codes_only(
        self, work: IdentityWork
    ) -> None:
        user, stranger = a_user(), a_user()
        challenge, other = (a_challenge(user_id=user.id) for _ in range(2))
        await keep(work, user, stranger, challenge, other)
        odd = MfaChallenge(challenge.digest, stranger.id, at(7), at(7), at(7), at(8), 3)
        async with work() as uow:
            await uow.mfa_challenges.replace(challenge=odd)
            await uow.mfa_challenges.replace(challenge=a_challenge(user_id=user.id, digest="0"))
            await uow.commit()
        used = replace(challenge, used_at=at(8), wrong_codes=3)
        assert await challenge_of(work, challenge.digest) == used
        assert await challenge_of(work, other.digest) == other
        assert await challenge_of(work, "0") is None

    async def test_what_is_not_committed_is_not_there(self, work: IdentityWork) -> None:
        user = a_user()
        kept, lost = (a_challenge(user_id=user.id) for _ in range(2))
        await keep(work, user, kept)
        async with work() as uow:
            await uow.mfa_challenges.add(challenge=lost)
            await uow.mfa_challenges.replace(challenge=replace(kept, wrong_codes=1))
            assert await uow.mfa_challenges.hold(digest=lost.digest) == lost
        async with work() as uow:
            await uow.mfa_challenges.remove_expired(user_id=user.id, until=at(1000))
        assert await challenge_of(work, kept.digest) == kept
        assert await challenge_of(work, lost.digest) is None

    async def test_what_has_expired_of_a_user_is_removed(self, work: IdentityWork) -> None:
        user, other = a_user(), a_user()
        theirs = [a_challenge(user_id=user.id, expires_at=at(minute)) for minute in (1, 2, 3)]
        others = a_challenge(user_id=other.id, expires_at=at(1))
        await keep(work, user, other, *theirs, others)
        counts = []
        for minute in (0, 2, 2):
            async with work() as uow:
                counts.append(
                    await uow.mfa_challenges.remove_expired(user_id=user.id, until=at(minute))
                )
                await uow.commit()
        assert counts == [0, 2, 0]
        left = [await challenge_of(work, each.digest) for each in (*theirs, others)]
        assert left == [None, None, theirs[2], others]

    async def test_whoever_held_the_challenge_later_waits_and_sees_what_was_left(
        self, work: IdentityWork
    ) -> None:
        user = a_user()
        challenge = a_challenge(user_id=user.id)
        await keep(work, user, challenge)
        used = replace(challenge, used_at=at(1), wrong_codes=1)
        seen: list[MfaChallenge | None] = []

        async def hold_and_use(uow: IdentityUnitOfWork) -> None:
            await uow.mfa_challenges.hold(digest=challenge.digest)
            await uow.mfa_challenges.replace(challenge=used)

        async def hold(uow: IdentityUnitOfWork) -> None:
            seen.append(await uow.mfa_challenges.hold(digest=challenge.digest))

        through = await race(
            work, first=hold_and_use, meanwhile=look_around, last=commit, second=hold
        )
        assert (through, seen) == (["first", "second"], [used])
