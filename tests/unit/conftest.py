import pytest


@pytest.fixture(scope="session", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """The core belongs to neither event loop: its tests run on both."""
    backend: str = request.param
    return backend
