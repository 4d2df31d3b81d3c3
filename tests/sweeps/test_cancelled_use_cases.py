"""Every use case that writes, cancelled at each of its suspensions, on the fakes."""

import ast
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, field
from pkgutil import walk_packages
from types import TracebackType

import pytest
from anyio import get_cancelled_exc_class

import app.services
from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.identity.unit_of_work import MemoryIdentityUnitOfWork
from app.domain.errors import StoreUnavailable
from app.services.identity.api_key_service import ApiKeyService
from app.services.identity.auth_service import AuthService
from app.services.identity.login_log_upkeep_service import LoginLogUpkeepService
from app.services.identity.password_reset_service import PasswordResetService
from app.services.identity.second_factor_service import SecondFactorService
from app.services.identity.session_service import SessionService
from app.services.identity.user_import_service import UserImportService
from app.services.identity.user_login_log_service import UserLoginLogService
from app.services.identity.user_service import UserService
from app.services.range_units.change_service import ChangeService
from app.services.range_units.history_service import HistoryService
from app.services.range_units.overview_service import OverviewService
from app.services.range_units.price_service import PriceService
from app.services.range_units.quarantine_service import QuarantineService
from app.services.range_units.range_units_service import RangeUnitsService
from app.services.range_units.sync_service import SyncService
from tests.application import MemoryApplication
from tests.cancellation import Mode, modes_of
from tests.cancelled import wrongs
from tests.use_cases import USE_CASES, Call, UseCase


@dataclass
class OnMemory:
    application: MemoryApplication = field(default_factory=MemoryApplication)

    async def prepare(self, use_case: UseCase) -> Call:
        return await use_case.prepare(self.application)

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


SERVICES = (
    AuthService,
    UserService,
    PasswordResetService,
    UserImportService,
    UserLoginLogService,
    ApiKeyService,
    SessionService,
    SecondFactorService,
    LoginLogUpkeepService,
    RangeUnitsService,
    PriceService,
    HistoryService,
    SyncService,
    QuarantineService,
    OverviewService,
    ChangeService,
)


def writing_methods(service: type) -> set[str]:
    """Give the public methods that open a unit of work that writes, or call one that does."""
    methods = {
        node.name: ast.unparse(node)
        for node in ast.walk(ast.parse(inspect.getsource(service)))
        if isinstance(node, ast.AsyncFunctionDef)
    }
    writing: set[str] = set()
    while True:
        uses = ("self._uow()", "self._recording()", *(f"self.{name}(" for name in writing))
        more = {name for name, code in methods.items() if any(use in code for use in uses)}
        if more == writing:
            return {f"{service.__name__}.{name}" for name in more if not name.startswith("_")}
        writing = more


def test_every_use_case_that_writes_is_cancelled() -> None:
    writing = set().union(*map(writing_methods, SERVICES))
    assert {use_case.method.__qualname__ for use_case in USE_CASES} == writing


def test_no_service_is_forgotten() -> None:
    found = walk_packages(app.services.__path__, "app.services.")
    modules = {module.name for module in found if module.name.endswith("_service")}
    assert {service.__module__ for service in SERVICES} == modules


class Keeping(MemoryIdentityUnitOfWork):
    """Keeps the writer's lock when it is cancelled."""

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        if error_type is None or issubclass(error_type, Exception):
            await super().__aexit__(error_type, error, traceback)


class CommittingInBetween(MemoryIdentityUnitOfWork):
    """Keeps what was written before its last statement at once."""

    @asynccontextmanager
    async def statement(self, *, writes: bool = False) -> AsyncIterator[IdentityState]:
        if self._staged is not None:
            self._store.committed = copy(self._staged)
        async with super().statement(writes=writes) as rows:
            yield rows


class Swallowing(MemoryIdentityUnitOfWork):
    """Takes a cancellation for an error of the store."""

    @asynccontextmanager
    async def statement(self, *, writes: bool = False) -> AsyncIterator[IdentityState]:
        try:
            async with super().statement(writes=writes) as rows:
                yield rows
        except get_cancelled_exc_class() as error:
            raise StoreUnavailable("The store does not answer.") from error


DISABLING = next(use_case for use_case in USE_CASES if use_case.name == "disabling")


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        (Keeping, "holds the writer's lock"),
        (CommittingInBetween, "left ("),
        (Swallowing, "swallowed the cancellation"),
    ],
)
async def test_a_fault_that_is_planted_is_found(
    planted: type[MemoryIdentityUnitOfWork], told: str
) -> None:
    @asynccontextmanager
    async def on_planted() -> AsyncIterator[OnMemory]:
        application = MemoryApplication(identity_unit_of_work=planted)
        yield OnMemory(application)

    found = await wrongs(DISABLING, Mode.SCOPE, on_planted)
    assert any(told in wrong for wrong in found), found
