"""How long each kept text may be; the same bounds on every store."""

from collections.abc import Iterable, Sequence
from typing import Final

from app.domain.identity.api_keys import NAME_LENGTH, ApiKey
from app.domain.identity.devices import CLIENT_KEPT, OS_KEPT
from app.domain.identity.login_log import (
    USER_AGENT_KEPT,
    USERNAME_KEPT,
    LoginAttempt,
    LoginLogFilter,
)
from app.domain.identity.password_resets import PasswordReset
from app.domain.identity.second_factor import MfaChallenge, SecondFactor
from app.domain.identity.sessions import RefreshToken, Session
from app.domain.identity.users import EMAIL_LENGTH, User
from app.domain.text import check_storable

USERNAME: Final = USERNAME_KEPT
EMAIL: Final = EMAIL_LENGTH
PASSWORD_HASH: Final = 255
IP: Final = 45
USER_AGENT: Final = USER_AGENT_KEPT
REQUEST_ID: Final = 64
OS: Final = OS_KEPT
CLIENT: Final = CLIENT_KEPT
REFRESH_DIGEST: Final = 64
THROTTLE_KEY: Final = 160
NETWORK: Final = 43
ORIGIN: Final = 128
RESET_DIGEST: Final = 64
API_KEY_NAME: Final = NAME_LENGTH
API_KEY_DIGEST: Final = 64
SEALED_SECRET: Final = 255
MFA_DIGEST: Final = 64


def check_user(user: User) -> None:
    """Raise `UnstorableText` where a text of the user cannot be kept."""
    check_storable(user.username, USERNAME)
    check_storable(user.username_key, USERNAME)
    check_storable(user.email, EMAIL)
    check_storable(user.email_key, EMAIL)
    check_storable(user.password_hash, PASSWORD_HASH)


def check_attempt(attempt: LoginAttempt) -> None:
    """Raise `UnstorableText` where a text of the attempt cannot be kept."""
    check_storable(attempt.username, USERNAME)
    check_storable(attempt.username_key, USERNAME)
    check_storable(attempt.ip, IP)
    check_storable(attempt.user_agent, USER_AGENT)
    check_storable(attempt.request_id, REQUEST_ID)
    check_storable(attempt.os, OS)
    check_storable(attempt.client, CLIENT)


def check_session(session: Session) -> None:
    """Raise `UnstorableText` where a text of the session cannot be kept."""
    check_storable(session.ip, IP)
    check_storable(session.user_agent, USER_AGENT)


def check_filter(matching: LoginLogFilter) -> None:
    """Raise `UnstorableText` where a text that is looked for could not have been kept."""
    check_storable(matching.username_key, USERNAME)


def check_throttle_keys(keys: Iterable[str]) -> None:
    """Raise `UnstorableText` where a key cannot be kept."""
    for key in keys:
        check_storable(key, THROTTLE_KEY)


def check_origin(origin: str | None) -> None:
    """Raise `UnstorableText` where a network or a client cannot be kept."""
    check_storable(origin, ORIGIN)


def check_refresh_token(token: RefreshToken) -> None:
    """Raise `UnstorableText` where the token's digest cannot be kept."""
    check_storable(token.digest, REFRESH_DIGEST)


def check_password_reset(reset: PasswordReset) -> None:
    """Raise `UnstorableText` where the digest of the code cannot be kept."""
    check_storable(reset.digest, RESET_DIGEST)


def check_api_key(api_key: ApiKey) -> None:
    """Raise `UnstorableText` where a text of the key cannot be kept."""
    check_storable(api_key.name, API_KEY_NAME)
    check_storable(api_key.digest, API_KEY_DIGEST)
    check_storable(api_key.last_used_ip, IP)


def check_second_factor(factor: SecondFactor) -> None:
    """Raise `UnstorableText` where the sealed secret cannot be kept."""
    check_storable(factor.sealed_secret, SEALED_SECRET)


def check_recovery_codes(digests: Sequence[str]) -> None:
    """Raise `UnstorableText` where a digest cannot be kept."""
    for digest in digests:
        check_storable(digest, MFA_DIGEST)


def check_challenge(challenge: MfaChallenge) -> None:
    """Raise `UnstorableText` where the challenge's digest cannot be kept."""
    check_storable(challenge.digest, MFA_DIGEST)
