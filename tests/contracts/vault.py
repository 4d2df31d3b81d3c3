import re
from typing import ClassVar

from app.ports.identity.security import Vault
from tests.builders import new_id

SECRETS = ["", "a", "a" * 64, "a" * 10_000, "\0", "\ud800", "caf\u00e9", "cafe\u0301", "\U0001f511"]


class VaultContract:
    port: ClassVar[type] = Vault
    adapter: ClassVar[type]

    def test_what_is_tested_is_the_adapter_that_is_named(self, vault: Vault) -> None:
        assert type(vault) is self.adapter

    def test_a_digest_is_64_hexadecimal_digits(self, vault: Vault) -> None:
        digests = [vault.digest(secret=secret) for secret in SECRETS]
        assert [d for d in digests if re.fullmatch("[0-9a-f]{64}", d) is None] == []

    def test_equal_secrets_have_equal_digests(self, vault: Vault) -> None:
        assert [vault.digest(secret=s) for s in SECRETS] == [
            vault.digest(secret=s) for s in SECRETS
        ]

    def test_different_secrets_have_different_digests(self, vault: Vault) -> None:
        assert len({vault.digest(secret=secret) for secret in SECRETS}) == len(SECRETS)

    def test_a_sealed_secret_comes_back_exactly(self, vault: Vault) -> None:
        owner = new_id()
        sealed = [vault.seal(secret=secret, of=owner) for secret in SECRETS]
        assert [vault.open(sealed=each, of=owner) for each in sealed] == SECRETS

    def test_the_same_secret_looks_different_each_time(self, vault: Vault) -> None:
        owner = new_id()
        assert vault.seal(secret="a", of=owner) != vault.seal(secret="a", of=owner)

    def test_a_sealed_secret_is_short_and_plain(self, vault: Vault) -> None:
        sealed = vault.seal(secret="a" * 64, of=new_id())
        assert sealed.isascii()
        assert len(sealed) <= 200

    def test_a_sealed_secret_does_not_show(self, vault: Vault) -> None:
        assert "opensesame" not in vault.seal(secret="opensesame", of=new_id())

    def test_a_secret_of_another_owner_does_not_open(self, vault: Vault) -> None:
        sealed = vault.seal(secret="a", of=new_id())
        assert vault.open(sealed=sealed, of=new_id()) is None

    def test_what_was_not_sealed_does_not_open(self, vault: Vault) -> None:
        owner = new_id()
        sealed = vault.seal(secret="a", of=owner)
        strange = ["", "a", sealed[:-1], sealed[1:], f"{sealed}A", "\ud800", "aes256gcm:", "\0"]
        assert [vault.open(sealed=text, of=owner) for text in strange] == [None] * len(strange)
