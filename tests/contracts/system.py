import re
from datetime import timedelta
from itertools import pairwise
from typing import ClassVar
from uuid import UUID

from app.ports.clock import Clock
from app.ports.ids import Ids, Secrets

MANY = 2_000


class ClockContract:
    port: ClassVar[type] = Clock
    adapter: ClassVar[type]

    def test_what_is_tested_is_the_adapter_that_is_named(self, clock: Clock) -> None:
        assert type(clock) is self.adapter

    def test_the_time_is_aware_and_in_utc(self, clock: Clock) -> None:
        assert clock.now().utcoffset() == timedelta(0)

    def test_the_time_is_told_to_the_microsecond(self, clock: Clock) -> None:
        assert any(clock.now().microsecond % 1000 for _ in range(MANY))


class IdsContract:
    port: ClassVar[type] = Ids
    adapter: ClassVar[type]
    foretold: ClassVar[bool] = False
    """Whether a test is to know what comes, which any other process may then give as well."""

    def test_what_is_tested_is_the_adapter_that_is_named(self, ids: Ids) -> None:
        assert type(ids) is self.adapter

    def test_an_id_is_a_uuid(self, ids: Ids) -> None:
        assert isinstance(ids.new_id(), UUID)

    def test_no_id_is_given_twice(self, ids: Ids) -> None:
        assert len({ids.new_id() for _ in range(MANY)}) == MANY

    def test_another_source_gives_other_ids_unless_they_are_foretold(self, ids: Ids) -> None:
        other = type(ids)()
        shared = {ids.new_id() for _ in range(9)} & {other.new_id() for _ in range(9)}
        assert bool(shared) is self.foretold

    def test_an_id_given_later_compares_greater(self, ids: Ids) -> None:
        given = [ids.new_id() for _ in range(MANY)]
        assert [pair for pair in pairwise(given) if not pair[0] < pair[1]] == []


class SecretsContract:
    port: ClassVar[type] = Secrets
    adapter: ClassVar[type]
    foretold: ClassVar[bool] = False

    def test_what_is_tested_is_the_adapter_that_is_named(self, secrets: Secrets) -> None:
        assert type(secrets) is self.adapter

    def test_a_secret_goes_into_a_url_as_it_is(self, secrets: Secrets) -> None:
        assert re.fullmatch(r"[A-Za-z0-9._~-]+", secrets.new_secret())

    def test_a_secret_is_long_enough_for_256_bits(self, secrets: Secrets) -> None:
        # A character that needs no escape in a URL is one of 66: 42 of them hold 253 bits.
        assert len(secrets.new_secret()) >= 43

    def test_no_secret_is_given_twice(self, secrets: Secrets) -> None:
        assert len({secrets.new_secret() for _ in range(MANY)}) == MANY

    def test_another_source_gives_other_secrets_unless_they_are_foretold(
        self, secrets: Secrets
    ) -> None:
        other = type(secrets)()
        shared = {secrets.new_secret() for _ in range(9)} & {other.new_secret() for _ in range(9)}
        assert bool(shared) is self.foretold
