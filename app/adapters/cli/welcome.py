import json
from collections.abc import Iterable


def welcome(username: str, password: str, *, host: str, port: int) -> str:
    """Introduce the first administrator, with three lines that work as pasted."""
    base = base_url(host, port)
    body = json.dumps({"username": username, "password": password})
    return f"""
The first administrator is made. The password is shown this once, and good for 72 hours:

  username: {username}
  password: {password}

Change it at {base}/v1/users/me/password, with current_password and new_password.
Once it is lost or has expired, 'tickgate user reset {username}' gives a code for a new one.

Once the service runs, try in another terminal:

TOKEN=$(curl -s {base}/v1/auth/login -H 'Content-Type: application/json' -d '{body}' | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
curl -s -H "Authorization: Bearer $TOKEN" {base}/v1/users/me
curl -s -H "Authorization: Bearer $TOKEN" {base}/v1/exchanges/upbit/markets/KRW/BTC/prices/1234500
"""  # noqa: E501 - lines to paste are not broken


def warning(users: Iterable[tuple[str, str, str]], *, url: str) -> str:
    """Say what a server in memory is, and who may log in there: name, password, and what of."""
    lines = "\n".join(f"  {name:<8} {password}  {note}" for name, password, note in users)
    return f"""
THIS SERVER KEEPS NOTHING. It is for tests: all is in memory, and whoever reaches it can reset it.

  {url}

{lines}
"""


def base_url(host: str, port: int) -> str:
    """Give the URL at which whoever listens there is asked."""
    # Every interface is listened on as 0.0.0.0 or ::, but asked at an address.
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound to
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"
