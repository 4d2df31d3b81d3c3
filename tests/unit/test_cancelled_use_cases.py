"""Every use case that writes, cancelled at each of its suspensions, on the fakes."""

import ast
import importlib
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.services.identity.auth_service import AuthService
from app.services.identity.user_login_log_service import UserLoginLogService
from app.services.identity.user_service import UserService
from app.services.range_units.price_service import PriceService
from app.services.range_units.range_units_service import RangeUnitsService
from tests.application import MemoryApplication
from tests.cancellation import modes_of
from tests.cancelled import wrongs
from tests.use_cases import USE_CASES, UseCase


@dataclass
class OnMemory:
    application: MemoryApplication = field(default_factory=MemoryApplication)

    async def rows(self) -> object:
        return (
            self.application.identity_store.committed,
            self.application.range_units_store.committed,
        )

    async def leaks(self) -> list[str]:
        stores = (self.application.identity_store, self.application.range_units_store)
        return ["holds the writer's lock" for store in stores if store.writer.locked()]


@asynccontextmanager
async def on_memory() -> AsyncIterator[OnMemory]:
    yield OnMemory()


@pytest.mark.parametrize("use_case", USE_CASES, ids=str)
async def test_cancelled_anywhere_it_is_wholly_done_or_not_at_all(
    use_case: UseCase, anyio_backend_name: str
) -> None:
    for mode in modes_of(anyio_backend_name):
        assert await wrongs(use_case, mode, on_memory) == []


SERVICES = (AuthService, UserService, UserLoginLogService, RangeUnitsService, PriceService)


def writing_methods(service: type) -> set[str]:
    """Give the public methods that open a unit of work that writes, or call one that does."""
    methods = {
        node.name: ast.unparse(node)
        for node in ast.walk(ast.parse(inspect.getsource(service)))
        if isinstance(node, ast.AsyncFunctionDef)
    }
    writing: set[str] = set()
    while True:
        uses = ("self._uow()", *(f"self.{name}(" for name in writing))
        more = {name for name, code in methods.items() if any(use in code for use in uses)}
        if more == writing:
            return {f"{service.__name__}.{name}" for name in more if not name.startswith("_")}
        writing = more


def test_every_use_case_that_writes_is_cancelled() -> None:
    writing = set().union(*map(writing_methods, SERVICES))
    assert {use_case.method.__qualname__ for use_case in USE_CASES} == writing


def test_no_service_is_forgotten() -> None:
    modules = [
        importlib.import_module(f"app.services.{path.parent.name}.{path.stem}")
        for path in Path("app/services").glob("*/*_service.py")
    ]
    assert {module.__name__ for module in modules} == {s.__module__ for s in SERVICES}
