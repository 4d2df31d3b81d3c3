"""On what something was measured."""

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import anyio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

_OURS: Final = ("fastapi", "pydantic", "uvicorn", "uvloop", "sqlalchemy", "asyncpg", "bcrypt")


def load_average() -> str:
    """Give how busy the machine has been for a minute, five, and fifteen."""
    return " ".join(f"{load:.1f}" for load in os.getloadavg())


def described(postgres: str) -> list[str]:
    """Say what the machine is, without naming it, and which versions there are."""
    packages = ", ".join(f"{name} {version(name)}" for name in _OURS)
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    system = f"{platform.system()} {platform.release().partition('-')[0]}"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    database = f"Postgres {anyio.run(_postgres_version, postgres)} with fsync off"
    return [
        now,
        f"{os.cpu_count()} cores of {_processor()}, {_memory_gib()} GiB, {system}",
        f"{python}, {database}",
        packages,
    ]


def _processor() -> str:
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def _memory_gib() -> int:
    found = re.search(r"MemTotal: +(\d+)", Path("/proc/meminfo").read_text())
    return round(int(found[1]) / 1024**2) if found else 0


async def _postgres_version(url: str) -> str:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        said = await connection.scalar(text("SHOW server_version"))
    await engine.dispose()
    return str(said)
