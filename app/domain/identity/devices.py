"""With what a client says that it comes: it is a claim, and good for telling clients apart."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.domain.identity.text import escaped

OS_KEPT: Final = 48
CLIENT_KEPT: Final = 64


class DeviceType(StrEnum):
    """What kind of thing a client runs on. `LIBRARY`: a program that calls the API by itself."""

    PC = "PC"
    MOBILE = "MOBILE"
    TABLET = "TABLET"
    BOT = "BOT"
    LIBRARY = "LIBRARY"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Device:
    """What a user agent tells, in a few words: «iOS 17», «Mobile Safari 17», «ccxt 4.2»."""

    device_type: DeviceType = DeviceType.UNKNOWN
    os: str | None = None
    client: str | None = None


# By the product that stands in the user agent (RFC 9110, 10.1.5), lower-case; what a bot is built
# on comes after what it is: ccxt before the library that ccxt uses.
_LIBRARIES: Final = {
    "ccxt": "ccxt",
    "postmanruntime": "PostmanRuntime",
    "python-httpx": "httpx",
    "aiohttp": "aiohttp",
    "python-requests": "requests",
    "python-urllib3": "urllib3",
    "urllib3": "urllib3",
    "python-urllib": "Python-urllib",
    "curl": "curl",
    "libcurl": "curl",
    "wget": "Wget",
    "go-http-client": "Go-http-client",
    "okhttp": "okhttp",
    "apache-httpclient": "Apache-HttpClient",
    "java-http-client": "java.net.http",
    "java": "Java",
    "node-fetch": "node-fetch",
    "undici": "undici",
    "axios": "axios",
    "node": "Node.js",
}
_MONITORS: Final = {
    "kube-probe": "kube-probe",
    "elb-healthchecker": "ELB-HealthChecker",
    "googlehc": "GoogleHC",
    "prometheus": "Prometheus",
    "exporter": "Blackbox Exporter",
    "check_http": "check_http",
    "uptimerobot": "UptimeRobot",
    "zabbix": "Zabbix",
}
_PRODUCT: Final = re.compile(r"(?:^|(?<=[ (]))([A-Za-z][A-Za-z0-9_.-]{0,63})(?:/v?([0-9][0-9.]*))?")
_VERSION: Final = re.compile(r" [0-9][0-9.]*$")
_BROWSER: Final = "mozilla/"  # what every browser begins with, and some that are none


def library_or_monitor(user_agent: str) -> Device | None:
    """Recognise the HTTP libraries that bots are made of, and what looks after services."""
    if user_agent[: len(_BROWSER)].lower() == _BROWSER:
        return None
    products = {match[1].lower(): match[2] for match in reversed([*_PRODUCT.finditer(user_agent)])}
    for known, device_type in (
        (_MONITORS, DeviceType.BOT),
        (_LIBRARIES, DeviceType.LIBRARY),
    ):
        for product, name in known.items():
            if product in products:
                return Device(device_type, client=client_text(name, products[product]))
    return None


def first_product(user_agent: str) -> str | None:
    """Give the product that a user agent begins with, if it names a version: `grid-bot/1.0`."""
    match = _PRODUCT.match(user_agent)
    return None if match is None or match[2] is None else client_text(match[1], match[2])


def client_text(name: str, version: str | None) -> str:
    """Write a name and the first two numbers of its version, harmless and not too long."""
    numbers = ".".join((version or "").split(".")[:2]).rstrip(".")
    return escaped(f"{name} {numbers}".rstrip(), CLIENT_KEPT)


def kind_of_client(client: str | None, os: str | None) -> str | None:
    """Give what stays the same when versions change, as `Mobile Safari on iOS`; None: nothing.

    Browsers renew themselves every few weeks, which is no news of whoever uses them.
    """
    if client is None:
        return None
    kind = _VERSION.sub("", client)
    return kind if os is None else f"{kind} on {_VERSION.sub('', os)}"
