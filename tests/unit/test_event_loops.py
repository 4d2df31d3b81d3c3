import asyncio

import pytest
import trio


async def test_a_test_for_trio_runs_on_trio_and_no_other(anyio_backend_name: str) -> None:
    if anyio_backend_name == "trio":
        assert trio.lowlevel.current_task()
    else:
        assert asyncio.get_running_loop()
        with pytest.raises(RuntimeError):
            trio.lowlevel.current_task()
