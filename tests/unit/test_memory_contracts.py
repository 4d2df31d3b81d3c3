from functools import partial
from typing import ClassVar

import anyio
import pytest

from app.adapters.memory.identity.api_keys import MemoryApiKeys
from app.adapters.memory.identity.findings import MemoryLoginFindings
from app.adapters.memory.identity.login_log import MemoryLoginLog
from app.adapters.memory.identity.one_time_codes import SequentialCodes
from app.adapters.memory.identity.origins import MemoryOrigins
from app.adapters.memory.identity.password_resets import MemoryPasswordResets
from app.adapters.memory.identity.second_factor import MemoryMfaChallenges, MemorySecondFactors
from app.adapters.memory.identity.security import (
    FastHasher,
    FewCommonPasswords,
    GlassVault,
    PlainTokens,
)
from app.adapters.memory.identity.sessions import MemoryRefreshTokens, MemorySessions
from app.adapters.memory.identity.state import IdentityState
from app.adapters.memory.identity.throttle import MemoryThrottle
from app.adapters.memory.identity.unit_of_work import MemoryIdentityUnitOfWork
from app.adapters.memory.identity.upkeep import MemoryLoginLogUpkeep
from app.adapters.memory.identity.user_agents import FewUserAgents
from app.adapters.memory.identity.user_imports import MemoryUserImports
from app.adapters.memory.identity.users import MemoryUsers
from app.adapters.memory.range_units.catalogue import MemoryCatalogue
from app.adapters.memory.range_units.changes import MemoryChanges
from app.adapters.memory.range_units.feeds import MemoryFeed
from app.adapters.memory.range_units.jobs import MemoryJobParts, MemoryJobs
from app.adapters.memory.range_units.locks import MemorySyncLocks
from app.adapters.memory.range_units.overviews import MemoryOverviews
from app.adapters.memory.range_units.quarantine import MemoryQuarantine
from app.adapters.memory.range_units.revisions import MemoryRevisions
from app.adapters.memory.range_units.state import RangeUnitsState
from app.adapters.memory.range_units.timeline import MemoryTimeline
from app.adapters.memory.range_units.unit_of_work import MemoryRangeUnitsUnitOfWork
from app.adapters.memory.store import MemoryStore
from app.adapters.memory.system import SequentialIds, SequentialSecrets, SettableClock, SteeredClock
from app.adapters.metrics.identity import CountingIdentityUnitOfWork
from app.adapters.metrics.instruments import Instruments
from app.bootstrap.metrics import counted_logins
from app.domain.range_units.errors import FeedRefused, FeedUnavailable
from app.domain.range_units.revisions import Market
from app.ports.clock import Clock
from app.ports.identity.second_factor import OneTimeCodes
from app.ports.identity.security import AccessTokens, CommonPasswords, PasswordHasher, Vault
from app.ports.identity.user_agents import UserAgents
from app.ports.identity.work import IdentityWork
from app.ports.ids import Ids, Secrets
from app.ports.range_units.feeds import Reply
from app.ports.range_units.locks import SyncLocks
from app.ports.range_units.work import RangeUnitsWork
from tests.contracts.api_keys import ApiKeysContract
from tests.contracts.common_passwords import CommonPasswordsContract
from tests.contracts.feeds import Asked, FeedContract, fetched
from tests.contracts.identity_security import AccessTokensContract, PasswordHasherContract
from tests.contracts.identity_store import (
    IdentityUnitOfWorkContract,
    LoginLogContract,
    RefreshTokensContract,
    SessionsContract,
    UsersContract,
)
from tests.contracts.jobs import JobPartsContract, JobsContract
from tests.contracts.login_findings import LoginFindingsContract
from tests.contracts.login_log_upkeep import LoginLogUpkeepContract
from tests.contracts.login_origins import OriginsContract
from tests.contracts.password_resets import PasswordResetsContract
from tests.contracts.quarantine import QuarantineContract
from tests.contracts.range_units_changes import ChangesContract
from tests.contracts.range_units_overviews import OverviewsContract
from tests.contracts.range_units_store import (
    CatalogueContract,
    RangeUnitsUnitOfWorkContract,
    RevisionsContract,
)
from tests.contracts.range_units_timeline import TimelineContract
from tests.contracts.second_factor import (
    MfaChallengesContract,
    OneTimeCodesContract,
    SecondFactorsContract,
)
from tests.contracts.sync_locks import SyncLocksContract
from tests.contracts.system import ClockContract, IdsContract, SecretsContract
from tests.contracts.throttle import ThrottleContract
from tests.contracts.user_agents import UserAgentsContract
from tests.contracts.user_imports import UserImportsContract
from tests.contracts.vault import VaultContract
from tests.feeds import BEGUN


class OnMemoryIdentity:
    @pytest.fixture
    def work(self) -> IdentityWork:
        return partial(MemoryIdentityUnitOfWork, MemoryStore(IdentityState()))

    @pytest.fixture
    def reading(self, work: IdentityWork) -> IdentityWork:
        return work


class TestMemoryUsers(OnMemoryIdentity, UsersContract):
    adapter: ClassVar[type] = MemoryUsers


class TestMemoryLoginLog(OnMemoryIdentity, LoginLogContract):
    adapter: ClassVar[type] = MemoryLoginLog


class TestMemoryLoginFindings(OnMemoryIdentity, LoginFindingsContract):
    adapter: ClassVar[type] = MemoryLoginFindings


class TestMemoryOrigins(OnMemoryIdentity, OriginsContract):
    adapter: ClassVar[type] = MemoryOrigins


class TestMemoryLoginLogUpkeep(OnMemoryIdentity, LoginLogUpkeepContract):
    adapter: ClassVar[type] = MemoryLoginLogUpkeep


class TestMemorySessions(OnMemoryIdentity, SessionsContract):
    adapter: ClassVar[type] = MemorySessions


class TestMemoryRefreshTokens(OnMemoryIdentity, RefreshTokensContract):
    adapter: ClassVar[type] = MemoryRefreshTokens


class TestMemoryThrottle(OnMemoryIdentity, ThrottleContract):
    adapter: ClassVar[type] = MemoryThrottle


class TestMemoryPasswordResets(OnMemoryIdentity, PasswordResetsContract):
    adapter: ClassVar[type] = MemoryPasswordResets


class TestMemoryUserImports(OnMemoryIdentity, UserImportsContract):
    adapter: ClassVar[type] = MemoryUserImports


class TestMemoryApiKeys(OnMemoryIdentity, ApiKeysContract):
    adapter: ClassVar[type] = MemoryApiKeys


class TestMemorySecondFactors(OnMemoryIdentity, SecondFactorsContract):
    adapter: ClassVar[type] = MemorySecondFactors


class TestMemoryMfaChallenges(OnMemoryIdentity, MfaChallengesContract):
    adapter: ClassVar[type] = MemoryMfaChallenges


class TestCountingIdentityUnitOfWork(OnMemoryIdentity, IdentityUnitOfWorkContract):
    adapter: ClassVar[type] = CountingIdentityUnitOfWork

    @pytest.fixture
    def work(self) -> IdentityWork:
        store = MemoryStore(IdentityState())
        return counted_logins(partial(MemoryIdentityUnitOfWork, store), Instruments())


class TestMemoryIdentityUnitOfWork(OnMemoryIdentity, IdentityUnitOfWorkContract):
    adapter: ClassVar[type] = MemoryIdentityUnitOfWork


@pytest.fixture(scope="module")
def user_agents() -> UserAgents:
    return FewUserAgents()


class TestFewUserAgents(UserAgentsContract):
    adapter: ClassVar[type] = FewUserAgents


class TestFastHasher(PasswordHasherContract):
    adapter: ClassVar[type] = FastHasher

    @pytest.fixture
    def hasher(self) -> PasswordHasher:
        return FastHasher()

    def foreign(self, password: str) -> str:
        return FastHasher().foreign(password)


class TestFewCommonPasswords(CommonPasswordsContract):
    adapter: ClassVar[type] = FewCommonPasswords

    @pytest.fixture
    def common(self) -> CommonPasswords:
        return FewCommonPasswords()


class TestPlainTokens(AccessTokensContract):
    adapter: ClassVar[type] = PlainTokens

    @pytest.fixture
    def tokens(self) -> AccessTokens:
        return PlainTokens()


class TestGlassVault(VaultContract):
    adapter: ClassVar[type] = GlassVault

    @pytest.fixture
    def vault(self) -> Vault:
        return GlassVault()


class TestSequentialCodes(OneTimeCodesContract):
    adapter: ClassVar[type] = SequentialCodes

    @pytest.fixture
    def codes(self) -> OneTimeCodes:
        return SequentialCodes()


class OnMemoryRangeUnits:
    @pytest.fixture
    def work(self) -> RangeUnitsWork:
        return partial(MemoryRangeUnitsUnitOfWork, MemoryStore(RangeUnitsState()))

    @pytest.fixture
    def reading(self, work: RangeUnitsWork) -> RangeUnitsWork:
        return work


class TestMemoryCatalogue(OnMemoryRangeUnits, CatalogueContract):
    adapter: ClassVar[type] = MemoryCatalogue


class TestMemoryRevisions(OnMemoryRangeUnits, RevisionsContract):
    adapter: ClassVar[type] = MemoryRevisions


class TestMemoryChanges(OnMemoryRangeUnits, ChangesContract):
    adapter: ClassVar[type] = MemoryChanges


class TestMemoryTimeline(OnMemoryRangeUnits, TimelineContract):
    adapter: ClassVar[type] = MemoryTimeline


class TestMemoryJobs(OnMemoryRangeUnits, JobsContract):
    adapter: ClassVar[type] = MemoryJobs


class TestMemoryJobParts(OnMemoryRangeUnits, JobPartsContract):
    adapter: ClassVar[type] = MemoryJobParts


class TestMemoryQuarantine(OnMemoryRangeUnits, QuarantineContract):
    adapter: ClassVar[type] = MemoryQuarantine


class TestMemoryOverviews(OnMemoryRangeUnits, OverviewsContract):
    adapter: ClassVar[type] = MemoryOverviews


class TestMemorySyncLocks(SyncLocksContract):
    adapter: ClassVar[type] = MemorySyncLocks

    @pytest.fixture
    def locks(self) -> SyncLocks:
        return MemorySyncLocks()


class TestMemoryRangeUnitsUnitOfWork(OnMemoryRangeUnits, RangeUnitsUnitOfWorkContract):
    adapter: ClassVar[type] = MemoryRangeUnitsUnitOfWork


class TestSettableClock(ClockContract):
    adapter: ClassVar[type] = SettableClock

    @pytest.fixture
    def clock(self) -> Clock:
        return SettableClock()


class TestSteeredClock(ClockContract):
    adapter: ClassVar[type] = SteeredClock

    @pytest.fixture
    def clock(self) -> Clock:
        return SteeredClock(SettableClock())


class TestSequentialIds(IdsContract):
    adapter: ClassVar[type] = SequentialIds
    foretold: ClassVar[bool] = True

    @pytest.fixture
    def ids(self) -> Ids:
        return SequentialIds()


class TestSequentialSecrets(SecretsContract):
    adapter: ClassVar[type] = SequentialSecrets
    foretold: ClassVar[bool] = True

    @pytest.fixture
    def secrets(self) -> Secrets:
        return SequentialSecrets()


class TestMemoryFeed(FeedContract):
    adapter: ClassVar[type] = MemoryFeed

    @pytest.fixture
    def asked(self) -> Asked:
        btc = Market("any", "KRW", "BTC")
        expected = {
            "KRW/BTC": [Reply(b"{}", btc, "https://any.example/BTC", BEGUN, (btc,))],
            "all": [
                Reply(page, Market("any", "", ""), "https://any.example", BEGUN, None)
                for page in (b"1", b"2")
            ],
        }
        feed = MemoryFeed(expected)
        at_once = feed.on_fetch

        async def never(_part: str) -> None:
            await anyio.sleep_forever()

        def behave(
            *, down: FeedRefused | FeedUnavailable | None = None, hangs: bool = False
        ) -> None:
            feed.down = down
            feed.on_fetch = never if hangs else at_once

        return Asked(
            feed=feed,
            expected=expected,
            fail=lambda: behave(down=FeedUnavailable("It does not answer.")),
            refuse=lambda: behave(down=FeedRefused("It does not like that.")),
            hang=lambda: behave(hangs=True),
            recover=behave,
            times_asked=lambda: len(feed.asked),
        )

    async def test_a_scripted_error_is_of_one_part(self, asked: Asked) -> None:
        feed = MemoryFeed(asked.expected)
        feed.replies["KRW/BTC"] = FeedUnavailable("It does not answer.")
        with pytest.raises(FeedUnavailable):
            await fetched(feed, "KRW/BTC")
        assert await fetched(feed, "all") == asked.expected["all"]
