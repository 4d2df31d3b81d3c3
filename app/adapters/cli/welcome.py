import json


def welcome(username: str, password: str, *, host: str, port: int) -> str:
    """Introduce the first administrator, with three lines that work as pasted."""
    # Every interface is listened on as 0.0.0.0 or ::, but asked at an address.
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - not bound to
    base = f"http://{reachable}:{port}"
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
