"""What programs of the throttle do."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self
from uuid import UUID

from app.domain.identity.throttle import Slot, Taken
from tests.programs.identity_operations import Operation, Work
from tests.programs.program import Ids
from tests.programs.values import NOON, instant, untaken, uuid_of


@dataclass(frozen=True, repr=False)
class OfSlots(Operation):
    """Is about slots of guesses: one of each key, all of the same expiry."""

    ids: tuple[int, ...]
    keys: tuple[str, ...]
    expires_at: str = NOON

    @property
    def slots(self) -> dict[UUID, list[Slot]]:
        slots = [Slot(key, instant(self.expires_at)) for key in self.keys]
        return {uuid_of(number): slots for number in self.ids}


@dataclass(frozen=True, repr=False)
class TakeSlots(OfSlots):
    at: str = NOON

    def anew(self, taken: Ids) -> Self | None:
        numbers = [untaken(taken, "guess", number) for number in self.ids]
        return replace(self, ids=tuple(number for number in numbers if number is not None))

    async def run(self, uow: Work) -> None:
        await uow.throttle.take(slots=self.slots, at=instant(self.at))


class KeepSlots(OfSlots):
    async def run(self, uow: Work) -> None:
        await uow.throttle.keep(slots=self.slots)


class GiveSlotsBack(OfSlots):
    async def run(self, uow: Work) -> None:
        await uow.throttle.give_back(slots=self.slots)


@dataclass(frozen=True, repr=False)
class HoldQuotas(Operation):
    keys: tuple[str, ...]

    async def run(self, uow: Work) -> None:
        await uow.throttle.hold(keys=self.keys)


@dataclass(frozen=True, repr=False)
class CountSlots(Operation):
    keys: tuple[str, ...]
    now: str = NOON
    pending_since: str = NOON

    async def run(self, uow: Work) -> Mapping[str, Taken]:
        return await uow.throttle.taken(
            keys=self.keys, now=instant(self.now), pending_since=instant(self.pending_since)
        )


@dataclass(frozen=True, repr=False)
class PruneSlots(Operation):
    """Prunes all that have expired: which ones go first, the port leaves open."""

    now: str = NOON

    async def run(self, uow: Work) -> int:
        return await uow.throttle.prune(now=instant(self.now), limit=1000)
