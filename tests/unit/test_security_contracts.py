"""The real security and system adapters run the contracts that their stand-ins run."""

from typing import ClassVar

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.adapters.security.passwords import BcryptHasher
from app.adapters.security.tokens import Ed25519AccessTokens
from app.adapters.system import RandomSecrets, SystemClock, UuidIds
from app.ports.clock import Clock
from app.ports.identity.security import AccessTokens, PasswordHasher
from app.ports.ids import Ids, Secrets
from tests.contracts.identity_security import AccessTokensContract, PasswordHasherContract
from tests.contracts.system import ClockContract, IdsContract, SecretsContract

CHEAPEST = 4


class TestBcryptHasher(PasswordHasherContract):
    adapter: ClassVar[type] = BcryptHasher

    @pytest.fixture
    def hasher(self) -> PasswordHasher:
        return BcryptHasher(cost=CHEAPEST, pepper=b"pepper", threads=2, queue=100)


class TestEd25519AccessTokens(AccessTokensContract):
    adapter: ClassVar[type] = Ed25519AccessTokens

    @pytest.fixture
    def tokens(self) -> AccessTokens:
        return Ed25519AccessTokens(keys={"0001": Ed25519PrivateKey.generate()}, name="tickgate")


class TestSystemClock(ClockContract):
    adapter: ClassVar[type] = SystemClock

    @pytest.fixture
    def clock(self) -> Clock:
        return SystemClock()


class TestUuidIds(IdsContract):
    adapter: ClassVar[type] = UuidIds

    @pytest.fixture
    def ids(self) -> Ids:
        return UuidIds()


class TestRandomSecrets(SecretsContract):
    adapter: ClassVar[type] = RandomSecrets

    @pytest.fixture
    def secrets(self) -> Secrets:
        return RandomSecrets()
