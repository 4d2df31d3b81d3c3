"""What each route asks of its caller: declared here, and nowhere else."""

from enum import Enum
from typing import Final

from app.domain.principal import Scope


class Access(Enum):
    """What a route asks for that needs no scope."""

    PUBLIC = "public"
    """Nothing: anyone may call."""
    OWN = "own"
    """A session or an API key; the route is about what is the caller's own."""
    SESSION = "session"
    """The same, but of somebody who has logged in: it changes who may act, which no key may."""


_EXCHANGE: Final = "/v1/exchanges/{exchange}"
_MARKET: Final = f"{_EXCHANGE}/markets/{{quote}}/{{target}}"

ACCESS: Final[dict[tuple[str, str], Access | Scope]] = {
    ("GET", "/livez"): Access.PUBLIC,
    ("GET", "/readyz"): Access.PUBLIC,
    ("GET", "/metrics"): Access.PUBLIC,  # but it has a token of its own
    ("GET", "/openapi.json"): Access.PUBLIC,
    ("GET", "/docs"): Access.PUBLIC,
    ("GET", "/redoc"): Access.PUBLIC,
    ("GET", "/docs/files/{name}"): Access.PUBLIC,
    ("GET", "/.well-known/jwks.json"): Access.PUBLIC,
    ("POST", "/v1/auth/login"): Access.PUBLIC,
    ("POST", "/v1/auth/mfa"): Access.PUBLIC,
    ("POST", "/v1/auth/refresh"): Access.PUBLIC,
    ("POST", "/v1/auth/reset"): Access.PUBLIC,
    ("POST", "/v1/auth/logout"): Access.SESSION,
    ("GET", "/v1/auth/sessions"): Access.SESSION,
    ("DELETE", "/v1/auth/sessions"): Access.SESSION,
    ("DELETE", "/v1/auth/sessions/{session_id}"): Access.SESSION,
    ("GET", "/v1/users/me"): Access.OWN,
    ("POST", "/v1/users/me/password"): Access.SESSION,
    ("GET", "/v1/users/me/mfa"): Access.SESSION,
    ("POST", "/v1/users/me/mfa"): Access.SESSION,
    ("POST", "/v1/users/me/mfa/confirm"): Access.SESSION,
    ("POST", "/v1/users/me/mfa/recovery-codes"): Access.SESSION,
    ("POST", "/v1/users/me/mfa/remove"): Access.SESSION,
    ("DELETE", "/v1/users/{user_id}/mfa"): Scope.USERS_ADMIN,
    ("GET", "/v1/users/me/login-log"): Access.OWN,
    ("POST", "/v1/api-keys"): Access.SESSION,
    ("GET", "/v1/api-keys"): Access.OWN,
    ("POST", "/v1/api-keys/{key_id}/rotate"): Access.SESSION,
    ("DELETE", "/v1/api-keys/{key_id}"): Access.SESSION,
    ("POST", "/v1/users"): Scope.USERS_ADMIN,
    ("GET", "/v1/users"): Scope.USERS_ADMIN,
    ("GET", "/v1/users/{user_id}"): Scope.USERS_ADMIN,
    ("POST", "/v1/users/{user_id}/reset"): Scope.USERS_ADMIN,
    ("PATCH", "/v1/users/{user_id}"): Scope.USERS_ADMIN,
    ("DELETE", "/v1/users/{user_id}/sessions"): Scope.USERS_ADMIN,
    ("GET", "/v1/login-log"): Scope.LOGIN_LOG_READ,
    ("GET", "/v1/login-log/export"): Scope.LOGIN_LOG_READ,
    ("GET", "/v1/login-log/findings"): Scope.LOGIN_LOG_READ,
    ("GET", "/v1/range-units/changes"): Scope.RANGE_UNITS_READ,
    ("GET", "/v1/range-units/changes/stream"): Scope.RANGE_UNITS_READ,
    ("GET", "/v1/exchanges"): Scope.RANGE_UNITS_READ,
    ("PUT", _EXCHANGE): Scope.RANGE_UNITS_WRITE,
    ("GET", f"{_EXCHANGE}/markets"): Scope.RANGE_UNITS_READ,
    ("POST", f"{_EXCHANGE}/range-units/ingest"): Scope.RANGE_UNITS_WRITE,
    ("GET", f"{_MARKET}/range-units"): Scope.RANGE_UNITS_READ,
    ("PUT", f"{_MARKET}/range-units"): Scope.RANGE_UNITS_WRITE,
    ("GET", f"{_MARKET}/range-units/history"): Scope.RANGE_UNITS_READ,
    ("GET", f"{_MARKET}/range-units/diff"): Scope.RANGE_UNITS_READ,
    ("DELETE", f"{_MARKET}/range-units/scheduled/{{revision_id}}"): Scope.RANGE_UNITS_WRITE,
    ("GET", "/v1/range-units/revisions/{revision_id}"): Scope.RANGE_UNITS_READ,
    ("GET", f"{_MARKET}/prices/{{price}}"): Scope.RANGE_UNITS_READ,
    ("POST", f"{_MARKET}/prices/check"): Scope.RANGE_UNITS_READ,
    ("POST", f"{_MARKET}/prices/round"): Scope.RANGE_UNITS_READ,
    ("POST", f"{_MARKET}/prices/step"): Scope.RANGE_UNITS_READ,
    ("GET", f"{_MARKET}/ticks"): Scope.RANGE_UNITS_READ,
    ("GET", f"{_MARKET}/ladder"): Scope.RANGE_UNITS_READ,
    ("POST", f"{_EXCHANGE}/range-units/sync"): Scope.RANGE_UNITS_WRITE,
    ("GET", f"{_EXCHANGE}/range-units/quarantine"): Scope.RANGE_UNITS_WRITE,
    ("GET", f"{_EXCHANGE}/range-units/quarantine/{{payload_id}}"): Scope.RANGE_UNITS_WRITE,
    ("GET", "/v1/jobs"): Scope.RANGE_UNITS_READ,
    ("GET", "/v1/jobs/{job_id}"): Scope.RANGE_UNITS_READ,
    ("POST", "/v1/jobs/{job_id}/cancel"): Scope.RANGE_UNITS_WRITE,
    ("POST", "/v1/jobs/{job_id}/resume"): Scope.RANGE_UNITS_WRITE,
}

BEFORE_ENROLMENT: Final[frozenset[tuple[str, str]]] = frozenset(
    {
        ("POST", "/v1/auth/logout"),
        ("GET", "/v1/auth/sessions"),
        ("DELETE", "/v1/auth/sessions"),
        ("DELETE", "/v1/auth/sessions/{session_id}"),
        ("GET", "/v1/users/me"),
        ("POST", "/v1/users/me/password"),
        ("GET", "/v1/users/me/mfa"),
        ("POST", "/v1/users/me/mfa"),
        ("POST", "/v1/users/me/mfa/confirm"),
    }
)
"""What is open to those who have to enrol a second factor first; nothing else is."""
