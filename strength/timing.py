"""Whether the time of a refusal tells who is there: `python -m strength.timing`.

A service of its own on loopback, on each database, is asked with one connection, one request after
another: the kinds take turns in an order drawn anew for each round, so that the machine's moods
fall upon all of them. What is told are medians and quartiles, in milliseconds.
"""

import argparse
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

import bcrypt
import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from app.bootstrap.database import DatabaseApplication, opened
from app.domain.identity.user_imports import ImportedUser
from app.settings import Settings
from strength.targets import UNLIMITED
from tests.application import PASSWORD
from tests.integration.server import PATIENCE, new_postgres_database, serving
from tests.postgres import postgres_server

COST: Final = 10
IMPORTED_COST: Final = 4
SEED: Final = 20261123
WARM_UP: Final = 10

Body = Mapping[str, str]
LOGIN: Final = "/v1/auth/login"
RESET: Final = "/v1/auth/reset"
_GUESS: Final = {"password": "not the password of anyone"}
_CODE: Final = {"code": "ABCDE-FGHJK-LMNPQ-RSTUV-WXYZ2", "new_password": PASSWORD}
KINDS: Final[dict[str, tuple[str, Body]]] = {
    "login, unknown user": (LOGIN, {"username": "nobody", **_GUESS}),
    "login, wrong password": (LOGIN, {"username": "known", **_GUESS}),
    "login, wrong password, imported": (LOGIN, {"username": "imported", **_GUESS}),
    "login, disabled, right password": (LOGIN, {"username": "disabled", "password": PASSWORD}),
    "reset, unknown user": (RESET, {"username": "nobody", **_CODE}),
    "reset, wrong code": (RESET, {"username": "known", **_CODE}),
    "reset, no code issued": (RESET, {"username": "imported", **_CODE}),
}


async def _people(application: DatabaseApplication) -> None:
    known = await application.users.create_user(username="known", password=PASSWORD)
    await application.resets().issue(user_id=known.id)
    other = await application.users.create_user(username="disabled", password=PASSWORD)
    await application.users.set_disabled(user_id=other.id, disabled=True)
    cheap = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(IMPORTED_COST)).decode()
    await application.imports.import_user(user=ImportedUser(1, "imported", cheap))


@contextmanager
def service(portal: BlockingPortal, url: str | None = None) -> Iterator[str]:
    """Serve in a process of its own, with everyone who is asked for; give its address."""
    settings = {"TICKGATE_BCRYPT_COST": str(COST), **UNLIMITED}
    if url is not None:
        settings["TICKGATE_DATABASE_URL"] = url
    with TemporaryDirectory() as directory:
        settings["TICKGATE_DATA_DIR"] = f"{directory}/data"
        serve = serving(Path(directory), "--init", settings=settings)
        reach = opened(Settings.load(settings, Path(directory) / ".env"))
        with (
            portal.wrap_async_context_manager(serve) as server,
            portal.wrap_async_context_manager(reach) as application,
        ):
            portal.call(_people, application)
            yield server.base_url


@contextmanager
def service_on_postgres(portal: BlockingPortal) -> Iterator[str]:
    """Serve on a database of Postgres, which the tests know how to find or start."""
    with (
        postgres_server({}) as server,
        portal.wrap_async_context_manager(new_postgres_database(server)) as url,
        service(portal, url) as address,
    ):
        yield address


SERVICES: Final[dict[str, Callable[[BlockingPortal], AbstractContextManager[str]]]] = {
    "SQLite": service,
    "Postgres": service_on_postgres,
}


def times_of(address: str, rounds: int) -> dict[str, list[float]]:
    """Ask every kind so many times, and give how long each answer took, in milliseconds."""
    order = random.Random(SEED)  # noqa: S311 - an order, not a secret
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with httpx.Client(base_url=address, timeout=PATIENCE, trust_env=False) as client:
        for turn in range(WARM_UP + rounds):
            for kind in order.sample(list(KINDS), len(KINDS)):
                path, body = KINDS[kind]
                begun = perf_counter()
                answer = client.post(path, json=body)
                took = (perf_counter() - begun) * 1000
                if answer.status_code != httpx.codes.UNAUTHORIZED:
                    raise SystemExit(f"{kind}: answered {answer.status_code}")
                if turn >= WARM_UP:
                    times[kind].append(took)
    return times


def main() -> None:
    """Ask, and tell."""
    parser = argparse.ArgumentParser(prog="python -m strength.timing", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--on", choices=[name.lower() for name in SERVICES], action="append")
    asked = parser.parse_args()
    write = sys.stdout.write
    with start_blocking_portal() as portal:
        for name, start in SERVICES.items():
            if asked.on and name.lower() not in asked.on:
                continue
            with partial(start, portal)() as address:
                times = times_of(address, asked.rounds)
            write(f"{name}, bcrypt cost {COST}, {asked.rounds} each, ms\n")
            for kind, taken in times.items():
                low, middle, high = quantiles(taken, n=4)
                write(f"  {kind:<33} median {middle:7.2f}  quartiles {low:7.2f} {high:7.2f}\n")


if __name__ == "__main__":
    main()
