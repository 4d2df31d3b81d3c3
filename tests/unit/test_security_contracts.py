"""The real security and system adapters run the contracts that their stand-ins run."""

from pathlib import Path
from typing import ClassVar
from uuid import UUID

import bcrypt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.adapters.security.common_passwords import ShippedCommonPasswords
from app.adapters.security.key_files import KeysUnreadable
from app.adapters.security.one_time_codes import TotpCodes
from app.adapters.security.passwords import BcryptHasher
from app.adapters.security.signing_keys import SigningKeys
from app.adapters.security.tokens import Ed25519AccessTokens
from app.adapters.security.vault import KeyVault, make_vault_key
from app.adapters.system import RandomSecrets, SystemClock, UuidIds
from app.ports.clock import Clock
from app.ports.identity.second_factor import OneTimeCodes
from app.ports.identity.security import AccessTokens, CommonPasswords, PasswordHasher, Vault
from app.ports.ids import Ids, Secrets
from tests.builders import new_id
from tests.contracts.common_passwords import CommonPasswordsContract
from tests.contracts.identity_security import AccessTokensContract, PasswordHasherContract
from tests.contracts.second_factor import OneTimeCodesContract
from tests.contracts.system import ClockContract, IdsContract, SecretsContract
from tests.contracts.vault import VaultContract

CHEAPEST = 4
KEY = bytes(range(32))


class TestBcryptHasher(PasswordHasherContract):
    adapter: ClassVar[type] = BcryptHasher

    @pytest.fixture
    def hasher(self) -> PasswordHasher:
        return BcryptHasher(cost=CHEAPEST, pepper=b"pepper", threads=2, queue=100)

    def foreign(self, password: str) -> str:
        return bcrypt.hashpw(password.encode(), bcrypt.gensalt(CHEAPEST)).decode()


class TestShippedCommonPasswords(CommonPasswordsContract):
    adapter: ClassVar[type] = ShippedCommonPasswords

    @pytest.fixture
    def common(self) -> CommonPasswords:
        return ShippedCommonPasswords()


class TestEd25519AccessTokens(AccessTokensContract):
    adapter: ClassVar[type] = Ed25519AccessTokens

    @pytest.fixture
    def tokens(self) -> AccessTokens:
        return Ed25519AccessTokens(
            keys=SigningKeys({"0001": Ed25519PrivateKey.generate()}), name="tickgate"
        )


class TestKeyVault(VaultContract):
    adapter: ClassVar[type] = KeyVault

    @pytest.fixture
    def vault(self) -> Vault:
        return KeyVault(key=KEY)

    def test_a_vault_of_another_key_gives_other_digests(self, vault: Vault) -> None:
        other = KeyVault(key=bytes(32))
        assert vault.digest(secret="a") != other.digest(secret="a")

    def test_a_vault_of_another_key_opens_nothing(self, vault: Vault) -> None:
        owner = new_id()
        sealed = vault.seal(secret="a", of=owner)
        assert KeyVault(key=bytes(32)).open(sealed=sealed, of=owner) is None

    def test_a_vault_of_the_same_key_opens_what_another_has_sealed(self, vault: Vault) -> None:
        owner = new_id()
        sealed = vault.seal(secret="a", of=owner)
        assert KeyVault(key=KEY).open(sealed=sealed, of=owner) == "a"


def test_a_key_that_was_made_is_not_made_again(tmp_path: Path) -> None:
    make_vault_key(tmp_path)
    sealed = KeyVault.from_directory(tmp_path).seal(secret="a", of=UUID(int=1))
    make_vault_key(tmp_path)
    assert KeyVault.from_directory(tmp_path).open(sealed=sealed, of=UUID(int=1)) == "a"


def test_a_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    make_vault_key(tmp_path / "keys")
    [file] = (tmp_path / "keys").iterdir()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_directory_without_a_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeysUnreadable, match=r"^vault\.key cannot be read"):
        KeyVault.from_directory(tmp_path)


def test_a_key_that_was_cut_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vault.key").write_bytes(bytes(31))
    with pytest.raises(KeysUnreadable, match="fewer than 32 bytes"):
        KeyVault.from_directory(tmp_path)


class TestTotpCodes(OneTimeCodesContract):
    adapter: ClassVar[type] = TotpCodes

    @pytest.fixture
    def codes(self) -> OneTimeCodes:
        return TotpCodes()

    def test_an_address_is_spelled_so_that_every_authenticator_reads_it(self) -> None:
        address = TotpCodes().uri(secret=self.secret, username="a b:c/\u00e9", issuer="T & G")
        assert address == (
            "otpauth://totp/T%20%26%20G:a%20b%3Ac%2F%C3%A9"
            f"?secret={self.secret}&issuer=T%20%26%20G&algorithm=SHA1&digits=6&period=30"
        )


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
