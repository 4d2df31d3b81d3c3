import gc
from collections.abc import Iterator
from contextlib import suppress

import pytest

from app.importing import for_good


@pytest.fixture(autouse=True)
def garbage() -> Iterator[None]:
    """Leave the collector as it was."""
    was_enabled = gc.isenabled()
    gc.enable()
    yield
    gc.unfreeze()
    (gc.enable if was_enabled else gc.disable)()


def test_no_garbage_is_looked_for_within_a_block_and_again_after_it() -> None:
    with for_good():
        within = gc.isenabled()
    assert (within, gc.isenabled()) == (False, True)


def test_garbage_is_looked_for_again_where_something_cannot_be_imported() -> None:
    with suppress(ImportError), for_good():
        raise ImportError
    assert gc.isenabled()


def test_a_collector_that_somebody_stopped_stays_so() -> None:
    gc.disable()
    with for_good():
        pass
    assert not gc.isenabled()


def test_what_was_made_within_a_block_is_never_looked_through() -> None:
    before = gc.get_freeze_count()
    with for_good():
        made = [[number] for number in range(100)]
    assert gc.get_freeze_count() - before >= len(made)
