"""A stand-in for the codes of devices: the same codes, from secrets that can be foretold."""

import base64
import hashlib
import hmac
from datetime import datetime
from itertools import count

from app.domain.identity.second_factor import is_one_time_code
from app.ports.identity.second_factor import OneTimeCodes

_STEP_SECONDS = 30


class SequentialCodes(OneTimeCodes):
    """Numbers its secrets. Control: `code_at` is what the device with that secret shows."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def new_secret(self) -> str:
        """Give the next one."""
        return base64.b32encode(next(self._numbers).to_bytes(20, "big")).decode()

    def matching_step(self, *, secret: str, code: str, at: datetime) -> int | None:
        """Compare with the codes of the three steps."""
        step = _step(at)
        fitting = [each for each in range(step - 1, step + 2) if _code(secret, each) == code]
        return max(fitting, default=None) if is_one_time_code(code) else None

    def uri(self, *, secret: str, username: str, issuer: str) -> str:
        """Name the three."""
        return f"otpauth://totp/{issuer}:{username}?secret={secret}&issuer={issuer}"

    def code_at(self, *, secret: str, at: datetime) -> str:
        """Give the code that a device shows at that time."""
        return _code(secret, _step(at))


def _step(at: datetime) -> int:
    return int(at.timestamp() // _STEP_SECONDS)


def _code(secret: str, step: int) -> str:
    """RFC 4226, section 5.3; there is no code before 1970."""
    if step < 0:
        return ""
    mac = hmac.digest(base64.b32decode(secret), step.to_bytes(8, "big"), hashlib.sha1)
    place = mac[-1] & 0xF
    number = int.from_bytes(mac[place : place + 4], "big") & 0x7FFF_FFFF
    return f"{number % 1_000_000:06}"
