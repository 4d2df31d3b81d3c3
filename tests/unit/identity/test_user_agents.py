from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.clients.user_agents import CACHED, UapUserAgents
from app.domain.identity import storage
from app.domain.identity.devices import Device, DeviceType, kind_of_client
from app.domain.text import is_storable
from app.ports.identity.user_agents import UserAgents
from tests.contracts.user_agents import UserAgentsContract

WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0"
BROWSERS = {
    f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) {WEBKIT} Version/17.0 Mobile/15E148"
    " Safari/604.1": Device(DeviceType.MOBILE, "iOS 17", "Mobile Safari 17"),
    f"Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) {WEBKIT} Version/16.6 Mobile/15E148"
    " Safari/604.1": Device(DeviceType.TABLET, "iOS 16", "Mobile Safari 16"),
    f"Mozilla/5.0 (Linux; Android 14; Pixel 8) {CHROME} Mobile Safari/537.36": Device(
        DeviceType.MOBILE, "Android 14", "Chrome Mobile 120"
    ),
    f"Mozilla/5.0 (Linux; Android 13; SM-X700) {CHROME} Safari/537.36": Device(
        DeviceType.TABLET, "Android 13", "Chrome 120"
    ),
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36 Edg/120.0.0.0": Device(
        DeviceType.PC, "Windows 10", "Edge 120"
    ),
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0": Device(
        DeviceType.PC, "Ubuntu", "Firefox 120"
    ),
    f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {CHROME} Safari/537.36": Device(
        DeviceType.PC, "Chrome OS 14541", "Chrome 120"
    ),
    "Mozilla/5.0 (Linux; U; en-us; KFTT Build/IML74K) AppleWebKit/535.19 (KHTML, like Gecko)"
    " Silk/2.1 Mobile Safari/535.19 Silk-Accelerated=true": Device(
        DeviceType.MOBILE, "Android", "Amazon Silk 2"
    ),
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": Device(
        DeviceType.BOT, None, "Googlebot 2.1"
    ),
    "grid-bot/1.0": Device(DeviceType.BOT, None, "grid-bot 1.0"),
    "trader-app/2.3.4 (build 5)": Device(DeviceType.UNKNOWN, None, "trader-app 2.3"),
}


USER_AGENTS = UapUserAgents()


@pytest.fixture
def user_agents() -> UserAgents:
    return USER_AGENTS


class TestUapUserAgents(UserAgentsContract):
    adapter: ClassVar[type] = UapUserAgents


@pytest.mark.parametrize(("user_agent", "device"), BROWSERS.items())
def test_browsers_crawlers_and_named_programs_are_told_apart(
    user_agents: UserAgents, user_agent: str, device: Device
) -> None:
    assert user_agents.read(user_agent=user_agent) == device


def test_no_matcher_is_made_before_something_is_read_that_needs_it() -> None:
    user_agents = UapUserAgents()
    reading = {None: set(), "ccxt/4.5.90": set(), next(iter(BROWSERS)): {"_parser"}}
    for user_agent, made in reading.items():
        user_agents.read(user_agent=user_agent)
        assert {"_parser", "_devices"} & set(vars(user_agents)) == made


def test_no_more_is_remembered_than_there_is_room_for(user_agents: UapUserAgents) -> None:
    for number in range(CACHED + 10):
        user_agents.read(user_agent=f"a/{number}")
    assert user_agents.remembered() == CACHED


@given(text=st.text(max_size=600) | st.from_regex(r"[A-Za-z]{1,300}/[0-9.]{1,300}"))
def test_whatever_it_is_what_is_told_of_it_can_be_stored(text: str) -> None:
    device = USER_AGENTS.read(user_agent=text)
    for told, limit in ((device.os, storage.OS), (device.client, storage.CLIENT)):
        assert told is None or (is_storable(told, limit) and told.isprintable())


@pytest.mark.parametrize(
    ("client", "os", "kind"),
    [
        ("Mobile Safari 17", "iOS 17", "Mobile Safari on iOS"),
        ("Mobile Safari 18", "iOS 18", "Mobile Safari on iOS"),
        ("ccxt 4.2", None, "ccxt"),
        ("Firefox 120", "Ubuntu", "Firefox on Ubuntu"),
        ("undici", None, "undici"),
        (None, "Linux", None),
        (None, None, None),
    ],
)
def test_a_kind_of_client_has_no_versions(
    client: str | None, os: str | None, kind: str | None
) -> None:
    assert kind_of_client(client, os) == kind
