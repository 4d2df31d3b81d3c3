from app.domain.identity.devices import Device, library_or_monitor
from app.domain.identity.login_log import USER_AGENT_KEPT
from app.ports.identity.user_agents import UserAgents


class FewUserAgents(UserAgents):
    """Knows libraries and monitors, and what it is told. Control: `known`, by user agent."""

    def __init__(self) -> None:
        self.known: dict[str, Device] = {}

    def read(self, *, user_agent: str | None) -> Device:
        """Look the text up."""
        text = (user_agent or "")[:USER_AGENT_KEPT]
        return self.known.get(text) or library_or_monitor(text) or Device()
