"""What holds for every test: how far Hypothesis searches, and in which order and peace all run."""

import gc
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

# Every run searches elsewhere, CI's too, and says how to repeat what it has found; no deadline, as
# on a busy machine the time of one example says nothing. `--hypothesis-profile=thorough` is for
# long sweeps; a test that set its own number of examples would not take part in them.
# Nor does how many of a few inputs fit, which varies from run to run.
settings.register_profile(
    "quick",
    max_examples=25,
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=2_000)
settings.load_profile("quick")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Leave what lives as long as the run to itself: thousands of tests, and all that is imported.

    The garbage collector would walk through it again and again and find nothing to free, for a
    sixth of the time that the unit tests take.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what works with databases come last, in whatever order the rest is shuffled.

    Its connections need one event loop of asyncio that lives as long as the run, and while there is
    one, AnyIO's plugin runs every test on it, those that ask for Trio too.
    """
    items.sort(key=lambda item: item.nodeid.startswith("tests/integration/"))
