"""How users and attempts to log in look."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from app.adapters.cli.output import print_json, print_line, print_table, shown, write_text
from app.domain.identity.findings import Findings
from app.domain.identity.login_log import LoginAttempt
from app.domain.identity.login_log_export import FIELDS, ExportFormat, line_of
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


def print_attempt(attempt: LoginAttempt, *, as_json: bool) -> None:
    """Write one attempt, on a line of its own and at once."""
    if as_json:
        write_text(line_of(attempt, ExportFormat.NDJSON))
    else:
        told = (attempt.at, attempt.outcome, attempt.fail_reason, attempt.username, attempt.ip)
        print_line(" ".join(shown(value) for value in (*told, attempt.client)))


def print_findings(findings: Findings, *, as_json: bool) -> None:
    """List what was found; for programs each without what its kind says nothing of."""
    items = [asdict(item) for item in findings.items]
    if as_json:
        told = [{name: v for name, v in item.items() if v is not None} for item in items]
        print_json({"since": findings.since, "until": findings.until, "items": told})
    else:
        columns = ["at", "kind", "network", "username", "client", "failures", "users", "networks"]
        print_table(columns, items, numbers=columns[-3:])


def _attempt(attempt: LoginAttempt) -> dict[str, object]:
    return {field: getattr(attempt, field) for field in FIELDS}


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
