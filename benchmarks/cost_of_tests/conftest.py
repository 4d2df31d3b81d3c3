"""The databases of the integration tests, on asyncio alone."""

from tests.integration.conftest import (  # noqa: F401 - fixtures are found by their names here
    anyio_backend,
    committed_database,
    migrated_database,
    postgres_server_url,
    postgres_url,
    sqlite_url,
)
