"""Upsert the bands of a payload, twice: `ingest.py URL_OR_FILE TARGET PAYLOAD`.

On Postgres by COPY into a temporary table and one statement from there, on SQLite by `executemany`.
"""

import json
import sqlite3
import sys
from decimal import Decimal
from pathlib import Path
from time import perf_counter, process_time

import asyncpg  # type: ignore[import-untyped] # it has none
import uvloop

WHERE, TARGET, PAYLOAD = sys.argv[1:]
TABLE = """
    CREATE TABLE IF NOT EXISTS bands_by_hand (
        market text, position integer, range_min {number}, price_unit {number},
        PRIMARY KEY (market, position))
"""
UPSERT = """
    ON CONFLICT (market, position)
    DO UPDATE SET range_min = excluded.range_min, price_unit = excluded.price_unit
"""
FIGURES: dict[str, float] = {}


def bands() -> list[dict[str, int]]:
    """Read the payload."""
    found: list[dict[str, int]] = json.loads(CONTENT)["range_price_units"]
    return found


async def upsert_on_postgres(connection: asyncpg.Connection) -> int:
    """Copy, then upsert."""
    rows = [
        (TARGET, place, Decimal(band["range_min"]), Decimal(band["price_unit"]))
        for place, band in enumerate(bands())
    ]
    async with connection.transaction():
        await connection.execute("CREATE TEMPORARY TABLE fresh (LIKE bands_by_hand) ON COMMIT DROP")
        await connection.copy_records_to_table("fresh", records=rows)
        await connection.execute(
            # The WHERE tells ON CONFLICT from a join's.
            f"INSERT INTO bands_by_hand SELECT * FROM fresh WHERE true {UPSERT}"  # noqa: S608 - our own words
        )
    return len(rows)


async def on_postgres() -> None:
    """Insert, and again."""
    connection = await asyncpg.connect(WHERE)
    await connection.execute(TABLE.format(number="numeric"))
    for phase in ("insert", "replay"):
        began, used = perf_counter(), process_time()
        note(phase, await upsert_on_postgres(connection), began, used)
    await connection.close()


def on_sqlite() -> None:
    """Insert, and again."""
    connection = sqlite3.connect(WHERE)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(TABLE.format(number="text"))
    for phase in ("insert", "replay"):
        began, used = perf_counter(), process_time()
        rows = [
            (TARGET, place, str(band["range_min"]), str(band["price_unit"]))
            for place, band in enumerate(bands())
        ]
        with connection:
            connection.executemany(
                f"INSERT INTO bands_by_hand VALUES (?, ?, ?, ?) {UPSERT}",  # noqa: S608 - see above
                rows,
            )
        note(phase, len(rows), began, used)
    connection.close()


def note(phase: str, rows: int, began: float, used: float) -> None:
    """Say how long it took."""
    FIGURES[f"{phase} bands/s"] = rows / (perf_counter() - began)
    FIGURES[f"{phase} CPU µs per band"] = (process_time() - used) / rows * 1e6


CONTENT = Path(PAYLOAD).read_bytes()
if WHERE.startswith("postgresql:"):
    uvloop.run(on_postgres())
else:
    on_sqlite()
sys.stdout.write(json.dumps(FIGURES))
