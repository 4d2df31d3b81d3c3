"""How many transactions every use case commits and rolls back, counted by the fakes."""

import pytest

from app.domain.errors import TickgateError
from tests.application import MemoryApplication
from tests.budgets import BUDGETS, Budget
from tests.use_cases import USE_CASES


def counts(application: MemoryApplication) -> tuple[int, int]:
    stores = (application.identity_store, application.range_units_store)
    return sum(store.commits for store in stores), sum(store.rollbacks for store in stores)


@pytest.mark.parametrize("budget", BUDGETS, ids=str)
async def test_it_commits_and_rolls_back_as_often_as_is_written_down(budget: Budget) -> None:
    application = MemoryApplication()
    call = await budget.prepare(application)
    commits, rollbacks = counts(application)
    refusal = None
    try:
        await call()
    except TickgateError as error:
        refusal = type(error)
    assert refusal is budget.refusal
    assert counts(application) == (commits + budget.commits, rollbacks + budget.rollbacks)


def test_every_use_case_that_writes_has_a_budget() -> None:
    assert {use_case.name for use_case in USE_CASES} <= {budget.name for budget in BUDGETS}
