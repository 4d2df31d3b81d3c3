"""Codes of devices, by RFC 6238."""

import base64
import hmac
import secrets
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP

from app.domain.identity.second_factor import is_one_time_code
from app.ports.identity.second_factor import OneTimeCodes

_SECRET_BYTES: Final = 20
_DIGITS: Final = 6
_STEP_SECONDS: Final = 30
_DRIFT: Final = 1


class TotpCodes(OneTimeCodes):
    """SHA-1, six digits, steps of thirty seconds: what every authenticator can do."""

    def new_secret(self) -> str:
        """Read 160 bits from the operating system."""
        return base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()

    def matching_step(self, *, secret: str, code: str, at: datetime) -> int | None:
        """Compute the code of each step that is near enough, and compare all of them."""
        if not is_one_time_code(code):
            return None
        # SHA-1 is no weakness here, as no collision helps: RFC 6238, section 1.2.
        codes = HOTP(base64.b32decode(secret), _DIGITS, SHA1())  # noqa: S303 - see above
        now = int(at.timestamp() // _STEP_SECONDS)
        matching = None
        for step in range(max(0, now - _DRIFT), now + _DRIFT + 1):
            if hmac.compare_digest(codes.generate(step), code.encode()):
                matching = step
        return matching

    def uri(self, *, secret: str, username: str, issuer: str) -> str:
        """Write it as authenticators expect; a blank is `%20`, as some take `+` for itself."""
        query = urlencode(
            {
                "secret": secret,
                "issuer": issuer,
                "algorithm": "SHA1",
                "digits": _DIGITS,
                "period": _STEP_SECONDS,
            },
            quote_via=quote,
        )
        label = f"{quote(issuer, safe='')}:{quote(username, safe='')}"
        return f"otpauth://totp/{label}?{query}"
