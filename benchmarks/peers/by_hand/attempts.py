"""Record attempts to log in by hand, in two transactions: `attempts.py URL SECONDS TASKS`.

One inserts a row into the same log as ours, the other says what became of it. Nothing is looked up
before, and nothing is throttled.
"""

import asyncio
import json
import sys
import uuid
from datetime import UTC, datetime
from time import perf_counter, process_time

import asyncpg  # type: ignore[import-untyped] # it has none
import uvloop

POOL = 20  # as many connections as ours may have
CLAIM = """
    INSERT INTO login_attempts (at, id, username, username_key, user_id, ip, network, address,
        user_agent, device_type, os, client, request_id, outcome)
    VALUES ($1, $2, $3, $3, $4, $5, $5, $6, $7, $8, NULL, $9, $10, 'pending')
"""
SETTLE = """
    UPDATE login_attempts SET outcome = 'failed', fail_reason = 'busy', duration_ms = 1
    WHERE at = $1 AND id = $2 AND outcome = 'pending'
"""


async def record(pool: asyncpg.Pool, number: int) -> None:
    """Claim, and settle."""
    at, attempt = datetime.now(UTC), uuid.uuid4()
    address = b"\0" * 10 + b"\xff\xff" + bytes((10, 0, number, 7))
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            CLAIM,
            at,
            attempt,
            f"bot-{number}",
            uuid.UUID(int=number),
            f"10.0.{number}.7",
            address,
            "ccxt/4.5.90",
            "LIBRARY",
            "ccxt 4.5",
            "order-1",
        )
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(SETTLE, at, attempt)


async def main(url: str, seconds: float, tasks: int) -> dict[str, float]:
    """Record attempts in so many tasks at once."""
    recorded = 0

    async def go_on(number: int) -> None:
        nonlocal recorded
        while perf_counter() < until:
            await record(pool, number)
            recorded += 1

    async with asyncpg.create_pool(url, min_size=POOL, max_size=POOL) as pool:
        for lasting in (seconds / 4, seconds):  # the first does not count
            recorded = 0
            began, used = perf_counter(), process_time()
            until = began + lasting
            await asyncio.gather(*(go_on(number) for number in range(tasks)))
            took, used = perf_counter() - began, process_time() - used
    return {"each/s": recorded / took, "CPU µs each": used / recorded * 1e6}


figures = uvloop.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))
sys.stdout.write(json.dumps(figures))
