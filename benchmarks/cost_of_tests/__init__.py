"""One test, written in every way there is: that a login opens a session and is in the log."""

from typing import Final

from app.domain.identity.login_log import Client

TIMES: Final = 200
"""How often each test is run, as so many tests."""
CLIENT: Final = Client("203.0.113.7", "grid-bot/1.0", "request-1")
PASSWORD: Final = "correct horse battery staple"
