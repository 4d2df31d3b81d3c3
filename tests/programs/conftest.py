"""The programs' own tests are those of a tool: no unit tests, but on both event loops as these."""

from tests.unit.conftest import anyio_backend

__all__ = ["anyio_backend"]
