from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.services.range_units.change_service import ChangeService
from app.services.range_units.history_service import HistoryService
from app.services.range_units.price_service import PriceService
from app.services.range_units.range_units_service import RangeUnitsService
from app.services.range_units.sync_service import SyncService
from app.services.range_units.sync_worker import SyncWorker


@dataclass(frozen=True, slots=True)
class RangeUnitsServices:
    """What the commands about range units and prices work with."""

    range_units: RangeUnitsService
    prices: PriceService
    history: HistoryService
    changes: ChangeService
    sync: SyncService
    sync_worker: Callable[[], SyncWorker]
    """Makes what asks the exchanges: only a sync does."""
    pause: Callable[[], Awaitable[None]]
    """Waits until one who follows the changes looks again."""
