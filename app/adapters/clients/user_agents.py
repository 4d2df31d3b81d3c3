"""User agents, read with the rules of the uap project."""

from dataclasses import replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final

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

if TYPE_CHECKING:
    from ua_parser import Parser
    from ua_parser.core import Result

CACHED: Final = 2048  # a megabyte at the most, as texts are cut first

_CRAWLER: Final = "Spider"  # as the rules call it
_DESKTOPS: Final = ("Windows", "Mac OS X", "Linux", "Ubuntu", "Chrome OS", "Fedora", "Debian")
_PHONES: Final = ("iOS", "Android", "Windows Phone", "KaiOS", "BlackBerry OS")


class UapUserAgents(UserAgents):
    """Browsers and crawlers by uap's rules, libraries and monitors by our own.

    The matchers of the rules are large, and made when something is read that needs them: bots,
    which are most of an API's clients, need none, and browsers none of the rules of devices.
    """

    def __init__(self) -> None:
        self._read = lru_cache(CACHED)(self._parse)

    @cached_property
    def _parser(self) -> "Parser":
        agents, systems, devices = _rules()
        crawlers = [rule for rule in devices if rule.family == _CRAWLER]
        return _parser_by(agents, systems, crawlers)

    @cached_property
    def _devices(self) -> "Parser":
        return _parser_by([], [], _rules()[2])

    def read(self, *, user_agent: str | None) -> Device:
        """Cut, and look it up, or parse it."""
        return self._read((user_agent or "")[:USER_AGENT_KEPT])

    def remembered(self) -> int:
        """Tell how many user agents are remembered."""
        return self._read.cache_info().currsize

    def _parse(self, user_agent: str) -> Device:
        if not user_agent:
            return Device()
        # Its matchers are compiled code that takes UTF-8.
        text = user_agent.encode("utf-8", "replace").decode()
        return library_or_monitor(text) or self._device(text)

    def _device(self, text: str) -> Device:
        found = self._parser.parse(text)
        if found.device is not None:
            # Of all rules, the first that fits counts: a tablet may fit one of crawlers, too.
            found = replace(found, device=self._devices.parse_device(text))
        return _device(found, text)


def _rules() -> tuple[list[Any], list[Any], list[Any]]:
    """Give uap's rules: of user agents, of systems, and of devices."""
    from ua_parser import load_lazy_builtins  # noqa: PLC0415 - with the first matcher

    return load_lazy_builtins()


def _parser_by(agents: list[Any], systems: list[Any], devices: list[Any]) -> "Parser":
    from ua_parser import BestAvailableResolver, Parser  # noqa: PLC0415 - with the first matcher

    return Parser(BestAvailableResolver((agents, systems, devices)))


def _device(found: "Result", text: str) -> Device:
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


def _device_type(found: "Result", text: str) -> DeviceType:
    if found.device is not None and found.device.family == _CRAWLER:
        return DeviceType.BOT
    os = "" if found.os is None else found.os.family
    if os in _PHONES:
        # Android says «Mobile» on telephones only.
        is_tablet = "iPad" in text or "Tablet" in text or (os == "Android" and "Mobile" not in text)
        return DeviceType.TABLET if is_tablet else DeviceType.MOBILE
    return DeviceType.PC if os.startswith(_DESKTOPS) else DeviceType.UNKNOWN
