"""User agents, read with the rules of the uap project."""

from functools import cached_property, lru_cache
from typing import Final

from ua_parser import BestAvailableResolver, Parser, load_lazy_builtins
from ua_parser.core import Result

from app.domain.identity.devices import (
    OS_KEPT,
    Device,
    DeviceType,
    client_text,
    first_product,
    library_or_monitor,
)
from app.domain.identity.login_log import USER_AGENT_KEPT
from app.domain.identity.text import escaped
from app.ports.identity.user_agents import UserAgents

CACHED: Final = 2048  # a megabyte at the most, as texts are cut first

_CRAWLER: Final = "Spider"  # as the rules call it
_DESKTOPS: Final = ("Windows", "Mac OS X", "Linux", "Ubuntu", "Chrome OS", "Fedora", "Debian")
_PHONES: Final = ("iOS", "Android", "Windows Phone", "KaiOS", "BlackBerry OS")


class UapUserAgents(UserAgents):
    """Browsers and crawlers by uap's rules, libraries and monitors by our own.

    Making the rules' matcher takes some hundred milliseconds: `load` does it, at a start, so that
    no login waits for it.
    """

    def __init__(self) -> None:
        self._read = lru_cache(CACHED)(self._parse)

    def load(self) -> None:
        """Make everything that the first reading needs."""
        self._parser.parse("")

    @cached_property
    def _parser(self) -> Parser:
        return Parser(BestAvailableResolver(load_lazy_builtins()))

    def read(self, *, user_agent: str | None) -> Device:
        """Cut, and look it up, or parse it."""
        return self._read((user_agent or "")[:USER_AGENT_KEPT])

    def remembered(self) -> int:
        """Tell how many user agents are remembered."""
        return self._read.cache_info().currsize

    def _parse(self, user_agent: str) -> Device:
        # Its matchers are compiled code that takes UTF-8.
        text = user_agent.encode("utf-8", "replace").decode()
        known = library_or_monitor(text)
        return known or _device(self._parser.parse(text), text)


def _device(found: Result, text: str) -> Device:
    device_type = _device_type(found, text)
    client = first_product(text) if not text.startswith("Mozilla/") else None
    if found.user_agent is not None:
        version = [found.user_agent.major, found.user_agent.minor]
        # Browsers count in whole numbers nowadays, crawlers in two.
        numbers = version if device_type is DeviceType.BOT else version[:1]
        client = client_text(found.user_agent.family, ".".join(filter(None, numbers)))
    os = None
    if found.os is not None:
        os = escaped(f"{found.os.family} {found.os.major or ''}".rstrip(), OS_KEPT)
    return Device(device_type, os, client)


def _device_type(found: Result, text: str) -> DeviceType:
    if found.device is not None and found.device.family == _CRAWLER:
        return DeviceType.BOT
    os = "" if found.os is None else found.os.family
    if os in _PHONES:
        # Android says «Mobile» on telephones only.
        is_tablet = "iPad" in text or "Tablet" in text or (os == "Android" and "Mobile" not in text)
        return DeviceType.TABLET if is_tablet else DeviceType.MOBILE
    return DeviceType.PC if os.startswith(_DESKTOPS) else DeviceType.UNKNOWN
