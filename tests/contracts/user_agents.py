from typing import ClassVar

import pytest

from app.domain.identity import storage
from app.domain.identity.devices import Device, DeviceType
from app.domain.text import is_storable
from app.ports.identity.user_agents import UserAgents

LIBRARIES = {
    "python-httpx/0.28.1": "httpx 0.28",
    "Python/3.11 aiohttp/3.9.1": "aiohttp 3.9",
    "python-requests/2.31.0": "requests 2.31",
    "python-urllib3/2.1.0": "urllib3 2.1",
    "Python-urllib/3.11": "Python-urllib 3.11",
    "ccxt/4.2.1 (+https://github.com/ccxt/ccxt) Node.js/18 (Linux)": "ccxt 4.2",
    "curl/8.4.0": "curl 8.4",
    "Wget/1.21.4": "Wget 1.21",
    "Go-http-client/2.0": "Go-http-client 2.0",
    "Java-http-client/17.0.1": "java.net.http 17.0",
    "Java/17.0.1": "Java 17.0",
    "Apache-HttpClient/4.5.14 (Java/17.0.1)": "Apache-HttpClient 4.5",
    "okhttp/4.12.0": "okhttp 4.12",
    "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)": "node-fetch 1.0",
    "undici": "undici",
    "node": "Node.js",
    "axios/1.6.2": "axios 1.6",
    "PostmanRuntime/7.36.0": "PostmanRuntime 7.36",
}
MONITORS = {
    "kube-probe/1.29": "kube-probe 1.29",
    "ELB-HealthChecker/2.0": "ELB-HealthChecker 2.0",
    "Prometheus/2.48.0": "Prometheus 2.48",
    "Blackbox Exporter/0.24.0": "Blackbox Exporter 0.24",
}
NAMELESS = ["", " ", "\0", "\ud800", "/", "(", "Mozilla/5.0", "\u200b" * 512]


class UserAgentsContract:
    port: ClassVar[type] = UserAgents
    adapter: ClassVar[type]

    def test_what_is_tested_is_the_adapter_that_is_named(self, user_agents: UserAgents) -> None:
        assert type(user_agents) is self.adapter

    @pytest.mark.parametrize(("user_agent", "client"), LIBRARIES.items())
    def test_a_library_that_bots_use_is_known_by_name_and_version(
        self, user_agents: UserAgents, user_agent: str, client: str
    ) -> None:
        device = user_agents.read(user_agent=user_agent)
        assert device == Device(DeviceType.LIBRARY, client=client)

    @pytest.mark.parametrize(("user_agent", "client"), MONITORS.items())
    def test_what_looks_after_services_is_a_bot(
        self, user_agents: UserAgents, user_agent: str, client: str
    ) -> None:
        device = user_agents.read(user_agent=user_agent)
        assert (device.device_type, device.client) == (DeviceType.BOT, client)

    @pytest.mark.parametrize("user_agent", [None, *NAMELESS])
    def test_what_means_nothing_is_unknown(
        self, user_agents: UserAgents, user_agent: str | None
    ) -> None:
        assert user_agents.read(user_agent=user_agent) == Device()

    @pytest.mark.parametrize(
        "user_agent",
        [
            *("x" * 512 + "/1.0", "a/" + "9" * 500, "\u202e/1", "curl/" + "." * 500, "a b" * 300),
            *("Mozilla/5.0 (" * 40, "\ud800" * 512, "\x1b[2J/1.0", "Mozilla/5.0 (iPhone\0)"),
        ],
        ids=repr,
    )
    def test_whatever_the_text_the_answer_can_be_stored(
        self, user_agents: UserAgents, user_agent: str
    ) -> None:
        device = user_agents.read(user_agent=user_agent)
        for told, limit in ((device.os, storage.OS), (device.client, storage.CLIENT)):
            assert told is None or (is_storable(told, limit) and told.isprintable())

    def test_only_the_first_512_characters_count(self, user_agents: UserAgents) -> None:
        cut = "x" * 509 + " curl/8.4.0"
        assert user_agents.read(user_agent=cut) == Device()

    def test_ten_megabytes_are_read_as_their_beginning(self, user_agents: UserAgents) -> None:
        long = "curl/8.4.0 " + "x" * 10_000_000
        assert user_agents.read(user_agent=long).client == "curl 8.4"
