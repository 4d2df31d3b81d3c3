import pytest

from app.domain.identity.text import fold
from benchmarks.cost_of_tests import TIMES


@pytest.mark.parametrize("_", range(TIMES))
def test_a_name_is_folded(_: int) -> None:
    assert fold("Trader") == "trader"
