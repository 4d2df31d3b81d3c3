"""What the unit tests stand on, and both event loops as there."""

from tests.unit.conftest import anyio_backend
from tests.unit.http.conftest import admin, application, client, market, stage, user

__all__ = ["admin", "anyio_backend", "application", "client", "market", "stage", "user"]
