from collections.abc import Callable
from functools import partial

from anyio.lowlevel import checkpoint

from app.adapters.memory.store import MemoryStore, S
from tests.programs.program import U
from tests.programs.runner import Store


def on_memory(unit_of_work: Callable[[MemoryStore[S]], U], state: S) -> Store[U]:
    """Give a store for one program."""
    store = MemoryStore(state)

    async def second_waits() -> bool:
        await checkpoint()
        return store.writer.statistics().tasks_waiting > 0

    work = partial(unit_of_work, store)
    return Store(work, work, second_waits)
