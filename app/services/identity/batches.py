from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from anyio import CancelScope, Event, create_task_group, get_cancelled_exc_class

from app.domain.errors import ErrorKind, TickgateError

T = TypeVar("T")
R = TypeVar("R")


@dataclass(eq=False, slots=True)
class _Place(Generic[T, R]):
    """The place of one who waits. `called` says that it is their turn to serve, or that it is over.

    `results` is the one result, once there is one.
    """

    wanted: T
    called: Event = field(default_factory=Event)
    scope: CancelScope = field(default_factory=CancelScope)
    results: tuple[R, ...] = ()
    error: Exception | None = None


class Batches(Generic[T, R]):
    """Does for many at once what each of them wants.

    Whoever comes first is served at once. Those who come meanwhile wait, and are served together
    once that is over, at most `most` at a time. `serve` gives a result for each, in their order.
    Where it fails for several, each is served alone, so that nobody fails for another; what is
    unavailable is so for all.

    Whoever is cancelled before their turn is not served. From then on it is done to its end, for
    them and for those served with them, and they hear of their cancellation afterwards.
    """

    def __init__(
        self, serve: Callable[[Sequence[T]], Awaitable[Sequence[R]]], *, most: int
    ) -> None:
        self._serve = serve
        self._most = most
        self._waiting: deque[_Place[T, R]] = deque()
        self._is_serving = False

    async def join(self, wanted: T) -> R:
        """Have it done, alone or together with what others want, and give the result."""
        place = _Place[T, R](wanted)
        self._waiting.append(place)
        if self._is_serving:
            await self._wait(place)
        if self._waiting and self._waiting[0] is place:
            await self._lead()
        if place.error is not None:
            raise place.error
        [result] = place.results
        return result

    async def _wait(self, place: _Place[T, R]) -> None:
        with place.scope:
            try:
                await place.called.wait()
            except get_cancelled_exc_class():
                if place in self._waiting:
                    self._waiting.remove(place)
                    if place.called.is_set():
                        self._call_next()
                else:
                    await _end_of(place)
                raise

    async def _lead(self) -> None:
        """Serve those who wait, in a task of its own: no shield stops what cancels this one."""
        self._is_serving = True
        try:
            with CancelScope(shield=True):
                async with create_task_group() as tasks:
                    tasks.start_soon(self._serve_next)
        finally:
            self._call_next()

    async def _serve_next(self) -> None:
        # Whoever was ready to join when the leader did, has joined by now.
        batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        for place in batch:
            place.scope.shield = True
        with CancelScope(shield=True):
            try:
                await self._serve_all(batch)
            finally:
                for place in batch:
                    place.called.set()

    async def _serve_all(self, batch: Sequence[_Place[T, R]]) -> None:
        try:
            results = await self._serve([place.wanted for place in batch])
        except Exception as error:  # noqa: BLE001 - those who wait raise it
            if len(batch) > 1 and not _is_unavailable(error):
                for place in batch:
                    await self._serve_all([place])
                return
            for place in batch:
                place.error = error
        else:
            for place, result in zip(batch, results, strict=True):
                place.results = (result,)

    def _call_next(self) -> None:
        if self._waiting:
            self._waiting[0].called.set()
        else:
            self._is_serving = False


async def _end_of(place: _Place[T, R]) -> None:
    """Wait until it is over, however often this task is cancelled meanwhile."""
    with CancelScope(shield=True):
        while not place.called.is_set():
            try:
                await place.called.wait()
            except get_cancelled_exc_class():
                continue  # the first is raised afterwards


def _is_unavailable(error: Exception) -> bool:
    return isinstance(error, TickgateError) and error.kind is ErrorKind.UNAVAILABLE
