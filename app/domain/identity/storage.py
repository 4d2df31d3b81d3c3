"""How long each kept text may be; the same bounds on every store."""

from typing import Final

from app.domain.identity.login_log import (
    USER_AGENT_KEPT,
    USERNAME_KEPT,
    LoginAttempt,
    LoginLogFilter,
)
from app.domain.identity.sessions import RefreshToken, Session
from app.domain.identity.users import EMAIL_LENGTH, User
from app.domain.text import storable

USERNAME: Final = USERNAME_KEPT
EMAIL: Final = EMAIL_LENGTH
PASSWORD_HASH: Final = 255
IP: Final = 45
USER_AGENT: Final = USER_AGENT_KEPT
REQUEST_ID: Final = 64
REFRESH_DIGEST: Final = 64


def check_user(user: User) -> None:
    """Raise `UnstorableText` where a text of the user cannot be kept."""
    storable(user.username, USERNAME)
    storable(user.username_key, USERNAME)
    storable(user.email or "", EMAIL)
    storable(user.email_key or "", EMAIL)
    storable(user.password_hash, PASSWORD_HASH)


def check_attempt(attempt: LoginAttempt) -> None:
    """Raise `UnstorableText` where a text of the attempt cannot be kept."""
    storable(attempt.username, USERNAME)
    storable(attempt.username_key, USERNAME)
    storable(attempt.ip or "", IP)
    storable(attempt.user_agent or "", USER_AGENT)
    storable(attempt.request_id or "", REQUEST_ID)


def check_session(session: Session) -> None:
    """Raise `UnstorableText` where a text of the session cannot be kept."""
    storable(session.ip or "", IP)
    storable(session.user_agent or "", USER_AGENT)


def check_filter(matching: LoginLogFilter) -> None:
    """Raise `UnstorableText` where a text that is looked for could not have been kept."""
    storable(matching.username_key or "", USERNAME)
    storable(matching.ip or "", IP)


def check_refresh_token(token: RefreshToken) -> None:
    """Raise `UnstorableText` where the token's digest cannot be kept."""
    storable(token.digest, REFRESH_DIGEST)
