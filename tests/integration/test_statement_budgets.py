"""How many statements, commits and rollbacks every use case takes, on either database.

Counted is what reaches the driver: an executemany is one statement. Beginnings are not counted,
which SQLite is told as a statement and Postgres's driver sends along; nor is the look whether a
connection still lives when it is taken from the pool, which is the pool's and no statement.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event

from app.adapters.sql.database import AsyncDatabase
from app.domain.errors import TickgateError
from tests.budgets import BUDGETS, Budget
from tests.integration.server import application_on


@contextmanager
def counted(database: AsyncDatabase) -> Iterator[list[str]]:
    """Give what happens meanwhile: statements with their text, commits and rollbacks."""
    happened: list[str] = []

    def statement(_connection: Connection, _cursor: Any, text: str, *_: Any) -> None:
        if not text.startswith("BEGIN"):
            happened.append(text)

    listeners: dict[str, Callable[..., None]] = {
        "before_cursor_execute": statement,
        "commit": lambda _connection: happened.append("COMMIT"),
        "rollback": lambda _connection: happened.append("ROLLBACK"),
    }
    for name, listener in listeners.items():
        event.listen(database.engine.sync_engine, name, listener)
    try:
        yield happened
    finally:
        for name, listener in listeners.items():
            event.remove(database.engine.sync_engine, name, listener)


@pytest.mark.parametrize("budget", BUDGETS, ids=str)
async def test_it_takes_as_many_statements_commits_and_rollbacks_as_are_written_down(
    committed_database: AsyncDatabase, budget: Budget
) -> None:
    call = await budget.prepare(application_on(committed_database))
    refusal = None
    with counted(committed_database) as happened:
        try:
            await call()
        except TickgateError as error:
            refusal = type(error)
    assert refusal is budget.refusal
    ends = Counter(what for what in happened if what in {"COMMIT", "ROLLBACK"})
    assert (len(happened) - ends.total(), ends["COMMIT"], ends["ROLLBACK"]) == (
        budget.statements
        if budget.on_postgres is None or committed_database.engine.name == "sqlite"
        else budget.on_postgres,
        budget.commits,
        budget.rollbacks + budget.readings,
    ), happened
