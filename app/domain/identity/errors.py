"""What can be refused about users and logins."""

from datetime import timedelta

from app.domain.errors import ErrorKind, RateLimit, TickgateError


class InvalidCredentials(TickgateError):
    """The one refusal of a login; whatever the reason, the client sees the same."""

    kind = ErrorKind.UNAUTHENTICATED
    code = "invalid_credentials"

    def __init__(self, rate_limit: RateLimit | None = None) -> None:
        super().__init__("The username or the password is wrong.", rate_limit=rate_limit)


class TooManyAttempts(TickgateError):
    """There were too many guesses: this one was not looked at."""

    kind = ErrorKind.THROTTLED
    code = "too_many_attempts"

    def __init__(self, rate_limit: RateLimit | None) -> None:
        wait = timedelta(seconds=1) if rate_limit is None else rate_limit.resets_in
        seconds = -(-wait // timedelta(seconds=1))  # rounded up: not a moment too early
        super().__init__(
            "There were too many attempts; try again later.",
            retry_after=seconds,
            rate_limit=rate_limit,
        )


class TooManyWaiting(TickgateError):
    """More guesses wait for the outcome of others than there are places, or for too long."""

    kind = ErrorKind.UNAVAILABLE
    code = "busy"

    def __init__(self) -> None:
        super().__init__("Too many attempts wait for their turn.", retry_after=1)


class InvalidToken(TickgateError):
    """A token that is malformed, forged, expired, or whose session is over."""

    kind = ErrorKind.UNAUTHENTICATED
    code = "invalid_token"

    def __init__(self) -> None:
        super().__init__("The token is not valid, or its session is over.")


class RefreshInProgress(TickgateError):
    """The refresh token was used a moment ago: its successor is with whoever used it."""

    kind = ErrorKind.CONFLICT
    code = "refresh_in_progress"

    def __init__(self) -> None:
        detail = "This refresh token was used a moment ago; use the one that took its place."
        super().__init__(detail, retry_after=1)


class HasherBusy(TickgateError):
    """More passwords wait to be checked than the queue holds."""

    kind = ErrorKind.UNAVAILABLE
    code = "busy"


class WrongPassword(TickgateError):
    """The current password, asked for again before a change, is wrong."""

    kind = ErrorKind.FORBIDDEN
    code = "wrong_password"

    def __init__(self) -> None:
        super().__init__("The current password is wrong.")


class InvalidResetCode(TickgateError):
    """The one refusal of a reset; whatever the reason, the client sees the same."""

    kind = ErrorKind.UNAUTHENTICATED
    code = "invalid_reset_code"

    def __init__(self) -> None:
        super().__init__("The username or the code is wrong, or the code is no longer good.")


class ImportRefused(TickgateError):
    """Users that are not imported, none of them; each fault says of which line it is."""

    kind = ErrorKind.INVALID
    code = "import_refused"


class UnknownUser(TickgateError):
    """No user of that id or name."""

    kind = ErrorKind.NOT_FOUND
    code = "unknown_user"


class UnknownSession(TickgateError):
    """No live session of that id is the caller's."""

    kind = ErrorKind.NOT_FOUND
    code = "unknown_session"

    def __init__(self) -> None:
        super().__init__("You have no such session, or it is over.")


class LastAdmin(TickgateError):
    """A change after which nobody could administer the service."""

    kind = ErrorKind.CONFLICT
    code = "last_admin"

    def __init__(self) -> None:
        detail = "This is the last administrator who is not disabled; make another one first."
        super().__init__(detail)


class UsernameTaken(TickgateError):
    """Another user has that name, or one that differs only in case or width."""

    kind = ErrorKind.CONFLICT
    code = "username_taken"


class EmailTaken(TickgateError):
    """Another user has that e-mail address, or one that differs only in case or width."""

    kind = ErrorKind.CONFLICT
    code = "email_taken"


class InvalidUser(TickgateError):
    """A username or e-mail address that cannot be registered."""

    kind = ErrorKind.INVALID
    code = "invalid_user"


class WeakPassword(TickgateError):
    """A password that the policy refuses; each fault says what to change."""

    kind = ErrorKind.INVALID
    code = "weak_password"


class AttemptNotPending(TickgateError):
    """A login attempt is settled once, and never changed afterwards."""

    kind = ErrorKind.CONFLICT
    code = "attempt_not_pending"


class UnknownApiKey(TickgateError):
    """No API key of that id, or one of somebody else."""

    kind = ErrorKind.NOT_FOUND
    code = "unknown_api_key"


class TooManyApiKeys(TickgateError):
    """The user has as many live API keys as one may have."""

    kind = ErrorKind.CONFLICT
    code = "too_many_api_keys"


class ApiKeyOver(TickgateError):
    """An API key that was revoked or has expired: nothing takes its place."""

    kind = ErrorKind.CONFLICT
    code = "api_key_over"


class InvalidApiKey(TickgateError):
    """An API key that cannot be made; each fault says what to change."""

    kind = ErrorKind.INVALID
    code = "invalid_api_key"


class MfaRequired(TickgateError):
    """The password was right, and a code is lacking; the challenge is what to send it with."""

    kind = ErrorKind.UNAUTHENTICATED
    code = "mfa_required"

    def __init__(self, *, challenge: str, expires_in: int) -> None:
        super().__init__("A code is needed: send it with the challenge.")
        self._challenge = challenge
        self._expires_in = expires_in

    def particulars(self) -> dict[str, object]:
        """Give the challenge, which is a secret, and for how many seconds it is good."""
        return {"mfa_challenge": self._challenge, "expires_in": self._expires_in}


class InvalidChallenge(TickgateError):
    """A challenge that is unknown, used, expired, or was answered wrongly too often."""

    kind = ErrorKind.UNAUTHENTICATED
    code = "invalid_challenge"

    def __init__(self) -> None:
        super().__init__("The challenge is not valid, or not any more: log in again.")


class InvalidCode(TickgateError):
    """The one refusal of a code at a login; whatever the reason, the client sees the same."""

    kind = ErrorKind.UNAUTHENTICATED
    code = "invalid_code"

    def __init__(self) -> None:
        super().__init__("The code is wrong, or was used before.")


class WrongCode(TickgateError):
    """A code that was asked for before a change is wrong, or was used before."""

    kind = ErrorKind.FORBIDDEN
    code = "wrong_code"

    def __init__(self) -> None:
        super().__init__("The code is wrong, or was used before.")


class SecondFactorEnrolled(TickgateError):
    """There is a second factor already: it has to be removed before another one is enrolled."""

    kind = ErrorKind.CONFLICT
    code = "second_factor_enrolled"

    def __init__(self) -> None:
        super().__init__("A second factor is enrolled already.")


class NoSecondFactor(TickgateError):
    """There is no second factor that this could be about."""

    kind = ErrorKind.CONFLICT
    code = "no_second_factor"

    def __init__(self) -> None:
        super().__init__("No second factor is enrolled.")


class OwnReset(TickgateError):
    """An administrator resets others; their own password takes the one they have."""

    kind = ErrorKind.FORBIDDEN
    code = "own_reset"

    def __init__(self) -> None:
        super().__init__("Your own password is changed with the one that you have.")


class OwnSecondFactor(TickgateError):
    """An administrator removes those of others; their own only as everyone does, with a code."""

    kind = ErrorKind.FORBIDDEN
    code = "own_second_factor"

    def __init__(self) -> None:
        super().__init__("Your own second factor is removed with your password and a code.")
