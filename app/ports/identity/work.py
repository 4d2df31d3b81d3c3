"""One transaction over the stores of identity.

Stores: every method may raise `StoreUnavailable`. What goes in and comes out is immutable. Texts
with a NUL or a lone surrogate, and over-long ones, raise `UnstorableText`; nothing is cut
silently. Ids and digests are new whenever something is added: a duplicate of those is a defect,
and which error it raises is not specified.
"""

from collections.abc import Callable
from typing import Protocol, TypeAlias

from app.ports.identity.api_keys import ApiKeys
from app.ports.identity.findings import LoginFindings
from app.ports.identity.login_log import LoginLog
from app.ports.identity.origins import Origins
from app.ports.identity.password_resets import PasswordResets
from app.ports.identity.second_factor import MfaChallenges, SecondFactors
from app.ports.identity.sessions import RefreshTokens, Sessions
from app.ports.identity.throttle import Throttle
from app.ports.identity.upkeep import LoginLogUpkeep
from app.ports.identity.user_imports import UserImports
from app.ports.identity.users import Users
from app.ports.unit_of_work import UnitOfWork


class IdentityUnitOfWork(UnitOfWork, Protocol):
    """One transaction over all of them."""

    users: Users
    """The users, in this transaction."""
    login_log: LoginLog
    """The login log, in this transaction."""
    findings: LoginFindings
    """What the login log shows, in this transaction."""
    origins: Origins
    """From where users have succeeded, in this transaction."""
    sessions: Sessions
    """The sessions, in this transaction."""
    upkeep: LoginLogUpkeep
    """The upkeep of the login log, in this transaction."""
    refresh_tokens: RefreshTokens
    """The refresh tokens, in this transaction."""
    throttle: Throttle
    """What guesses have taken, in this transaction."""
    password_resets: PasswordResets
    """The resets that wait to be redeemed, in this transaction."""
    user_imports: UserImports
    """The users, many at a time, in this transaction."""
    api_keys: ApiKeys
    """The API keys, in this transaction."""
    second_factors: SecondFactors
    """The second factors, in this transaction."""
    mfa_challenges: MfaChallenges
    """The logins that lack a code, in this transaction."""


IdentityWork: TypeAlias = Callable[[], IdentityUnitOfWork]
"""Gives a fresh unit of work per use case."""
