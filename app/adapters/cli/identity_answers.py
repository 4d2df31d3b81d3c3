"""How users and attempts to log in look."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from app.adapters.cli.output import print_json, print_line, print_table, shown
from app.domain.identity.login_log import LoginAttempt
from app.domain.identity.users import User


def print_user(user: User, news: str, *, as_json: bool) -> None:
    """Tell what became of a user."""
    if as_json:
        print_json(_user(user))
    else:
        print_line(f"User {user.username} {news}.")


def print_users(users: Sequence[User], *, as_json: bool) -> None:
    """List users."""
    items = [_user(user) for user in users]
    if as_json:
        print_json({"items": items})
    else:
        print_table(["username", "role", "disabled", "email", "created_at", "id"], items)


def print_reset(user: User, code: str, expires_at: datetime, *, as_json: bool) -> None:
    """Show the code of a reset, and what to do with it."""
    if as_json:
        print_json({"username": user.username, "code": code, "expires_at": expires_at})
        return
    print_line(f"User {user.username} can set a new password once, until {shown(expires_at)}:")
    print_line(f"  {code}")
    print_line("POST /v1/auth/reset with username, code and new_password redeems it.")


def print_attempts(attempts: Sequence[LoginAttempt], *, as_json: bool) -> None:
    """List attempts; as JSON with everything that the HTTP API tells of them."""
    items = [_attempt(attempt) for attempt in attempts]
    if as_json:
        print_json({"items": items})
    else:
        print_table(["at", "username", "outcome", "fail_reason", "ip", "user_agent"], items)


def _attempt(attempt: LoginAttempt) -> dict[str, object]:
    document = asdict(attempt) | {
        "error_code": attempt.error_code,
        "network": attempt.network,
    }
    del document["username_key"]
    return document


def _user(user: User) -> dict[str, object]:
    """Give everything but the hash of the password."""
    return {
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "role": user.role,
        "disabled": user.disabled,
        "created_at": user.created_at,
        "password_changed_at": user.password_changed_at,
        "password_expires_at": user.password_expires_at,
    }
