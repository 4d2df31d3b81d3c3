"""Fuzz the HTTP API: `make fuzz`, or `python -m strength.fuzz --help`.

Two things are thrown at the service, and no answer may be a 5xx or one that the OpenAPI document
does not have: the table of hostile values, over every field (`tests/sweeps/hostile.py`), and
whatever schemathesis makes of the document, with every check on that it knows. The service runs as
others run it: a process of its own on a migrated database, asked through a socket. The memory
adapters are asked in this process: what is found there, too, is not the database's.
"""

import argparse
import json
import random
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import anyio
import httpx
import schemathesis
from anyio.from_thread import start_blocking_portal
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from schemathesis.checks import CHECKS
from schemathesis.core.failures import Failure
from schemathesis.engine import Status, StopReason, events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.openapi.checks import (
    AllowHeaderMismatch,
    RejectedPositiveData,
    UnsupportedMethodResponse,
)

from app.domain.principal import Role
from strength.targets import TARGETS, Target
from tests.sweeps.hostile import JSON, PROBLEM, ApiDocument, Attack, fault_of_a_problem

TABLE: Final = "table"
NOBODY: Final = "nobody"
SHARES: Final = {
    ("sqlite", "admin"): 5,
    ("sqlite", "user"): 2,
    ("sqlite", NOBODY): 1,
    ("postgres", "admin"): 2,
    ("memory", "admin"): 2,
}
"""Who fuzzes what, and how they share the time that the tables leave."""

LEAST: Final = 1 / 3
"""The part of the time that is theirs, however long a busy machine takes for the tables."""

SLOW: Final = 10  # seconds; that a busy machine takes its time is no finding
LONGEST_SHOWN: Final = 2000  # characters of a request
AS_PLANNED: Final = {StopReason.COMPLETED, StopReason.MAX_TIME}

SETTINGS: Final[dict[str, Any]] = {
    "continue-on-failure": True,
    "request-timeout": 60,
    "auth": {"auto-signup": False},
    # A run must not depend on the ones before it, or its seed would not replay it.
    "cache": {"enabled": False},
    "generation": {"database": "none"},
    "output": {"sanitization": {"enabled": False}, "truncation": {"enabled": False}},
    "checks": {"enabled": True, "max_response_time": SLOW},
    "phases": {
        "examples": {"fill-missing": True},
        "coverage": {"generate-duplicate-query-parameters": True},
    },
}
"""Every phase, and every check. One has nothing to look at yet: `object_level_authorization` reads
by its id what belongs to one user as another user, and no operation reads such a thing."""

EXCUSES: Final = {
    "invalid_cursor": "a cursor is a word that only the service can make",
    "price_off_grid": "which prices are valid is in a market's table, not in the document",
    "invalid_range_units": "bands have to fit each other",
    "payload_rejected": "the form of a reply is its exchange's, so the document has none",
    "needs either direction, or both side and intent": "fields have to fit each other",
    "ties goes with the direction nearest only": "fields have to fit each other",
    "is the current password": "fields have to fit each other",
    "is little more than the username": "fields have to fit each other",
    "is longer than 1024 bytes": "a schema counts characters, not bytes",
    "has more than 40 digits": "no pattern can apply an exponent",
    "is not a time zone": "which time zones there are is not for a schema",
    "is not a time such as": "the format date-time has leap seconds, and fractions without end",
    "is not an e-mail address": "what a schema calls an e-mail address is wider",
    "has characters that cannot be printed": "no pattern tells what can be printed",
    "Input should be a valid integer": "JSON Schema takes 1.0 for an integer",
}
"""Why what is of the documented form is refused all the same, and rightly: by the code of the
problem, or by how the message of each fault begins. A schema cannot say it."""

SHARED_URL: Final = "the URL is also that of another operation, which has the method"

Case = schemathesis.Case[Any]

out = Console(highlight=False, markup=False, soft_wrap=True)


@dataclass
class Tally:
    """What was asked of one service in one manner, and what was found."""

    name: str
    seconds: float = 0
    cases: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    operations: set[str] = field(default_factory=set)
    succeeded: set[str] = field(default_factory=set)
    excused: Counter[str] = field(default_factory=Counter)
    found: dict[str, str] = field(default_factory=dict)
    """How to see it again, by the finding; of many that are the same, the first."""


Show = Callable[[float, Tally], None]
"""Shows how far one of them has come, from 0 to 1."""


async def document_of(target: Target) -> dict[str, Any]:
    """Ask the service for its OpenAPI document."""
    async with target.client() as client:
        document: dict[str, Any] = (await client.get("/openapi.json")).json()
    return document


async def sweep(target: Target, tally: Tally, show: Show) -> None:
    """Send the table of hostile values, to each operation as a new administrator."""
    started = time.monotonic()
    document = ApiDocument(await document_of(target))
    async with target.client() as client:
        for count, operation in enumerate(document.operations):
            show(count / len(document.operations), tally)
            token = target.account(Role.ADMIN)
            tally.operations.add(str(operation))
            for attack in document.attacks(operation):
                tally.cases += 1
                tally.checks["documented"] += 1
                request = attack.request(client.base_url, {"Authorization": f"Bearer {token}"})
                try:
                    answer = await client.send(request)
                except httpx.TransportError as error:
                    fault: str | None = f"no answer: {error!r}"
                else:
                    fault = document.fault_of(attack, answer)
                    if answer.is_success:
                        tally.succeeded.add(str(operation))
                if fault:
                    again = f"{attack.what}\n{_curl(request, attack, token)}"
                    tally.found.setdefault(f"{operation}: {fault}", again)
    tally.seconds = time.monotonic() - started
    show(1, tally)


def _curl(request: httpx.Request, attack: Attack, token: str) -> str:
    words = ["curl", "-i", "-X", request.method, str(request.url)]
    for name, value in request.headers.items():
        if name not in {"host", "content-length"}:
            words += ["-H", f"{name.title()}: {value}"]
    if attack.content is not None:
        words += ["--data-binary", attack.content.decode("utf-8", "backslashreplace")]
    return _shown(shlex.join(words), [token])


def _shown(sample: str, tokens: list[str]) -> str:
    for token in tokens:
        header = f"Authorization: Bearer {token}"
        sample = sample.replace(f"'{header}'", '"Authorization: Bearer $TOKEN"')
    sample = sample.replace("\0", r"\0")
    return sample if len(sample) <= LONGEST_SHOWN else f"{sample[:LONGEST_SHOWN]} …"


@schemathesis.check
def refusals_are_problems(
    _: schemathesis.CheckContext, response: schemathesis.Response, case: Case
) -> None:
    """Ask more of a refusal than its schema does: whose it is, and of which request."""
    if response.status_code < httpx.codes.BAD_REQUEST or response.request.method == "HEAD":
        return
    headers = [(name, value) for name, values in response.headers.items() for value in values]
    answer = httpx.Response(response.status_code, headers=headers, content=response.content)
    if fault := fault_of_a_problem(answer):
        raise Failure(operation=case.operation.label, message=f"{response.status_code} {fault}")


def excuse(document: ApiDocument, failure: Failure, response: schemathesis.Response) -> str | None:
    """Say why what looks like a finding is none, if so."""
    methods = document.methods(urlsplit(response.request.url or "").path)
    if isinstance(failure, UnsupportedMethodResponse) and response.request.method in methods:
        return SHARED_URL
    if isinstance(failure, AllowHeaderMismatch):
        allowed = set(response.headers["allow"][0].split(", "))
        return SHARED_URL if allowed == methods else None
    if isinstance(failure, RejectedPositiveData) and response.headers["content-type"] == [PROBLEM]:
        problem = json.loads(response.content)
        faults = [_reason(fault["message"]) for fault in problem.get("errors", [])]
        return _reason(problem["code"]) or (faults[0] if faults and all(faults) else None)
    return None


def _reason(text: str) -> str | None:
    return next((why for known, why in EXCUSES.items() if text.startswith(known)), None)


@dataclass(frozen=True)
class Leg:
    """A part of the time, for a new user of some role or for nobody."""

    caller: str
    seconds: float
    seed: int


def fuzz(target: Target, leg: Leg, tally: Tally, show: Show) -> None:
    """Let schemathesis loose."""
    described = anyio.run(document_of, target)
    document = ApiDocument(described)
    _exemplify(described, document)
    settings = SETTINGS | {"seed": leg.seed, "max-time": max(1, round(leg.seconds))}
    if target.app is None:
        settings["base-url"] = target.url
    schema = schemathesis.openapi.from_dict(
        described, config=schemathesis.Config.from_dict(settings)
    )
    schema.app = target.app
    tokens: list[str] = []

    class Bearer:
        """Asked again when a token is refused: logging out is among what is fuzzed."""

        def get(self, _: Case, __: schemathesis.AuthContext) -> str:
            tokens.append(target.account(Role(leg.caller)))
            return tokens[-1]

        def set(self, case: Case, data: str, _: schemathesis.AuthContext) -> None:
            case.headers["Authorization"] = f"Bearer {data}"

    def filter_failure(
        _: schemathesis.HookContext,
        failure: Failure,
        __: Case,
        response: schemathesis.Response,
    ) -> bool:
        why = excuse(document, failure, response)
        tally.excused.update([why] if why else [])
        return why is None

    if leg.caller != NOBODY:
        schema.auth()(Bearer)
    schema.hook(filter_failure)
    started = time.monotonic()
    for event in from_schema(schema).execute():
        show((time.monotonic() - started) / leg.seconds, tally)
        _note(tally, event, tokens)
    for name in set(CHECKS.get_all_names()) - tally.checks.keys():
        tally.found[f"the check {name} did not run"] = "It must be on, and there must be time."
    tally.seconds = time.monotonic() - started
    show(1, tally)


def _exemplify(described: dict[str, Any], document: ApiDocument) -> None:
    """Put honest bodies into the document, or next to nothing would get past the first rules."""
    for operation in document.operations:
        parts = described["paths"][operation.path][operation.method.lower()]
        if bodies := document.bodies_of(operation):
            examples = {str(count): {"value": body} for count, body in enumerate(bodies)}
            content = parts["requestBody"]["content"][JSON]
            content.pop("example", None)  # there is either one, or there are several
            content["examples"] = examples


def _note(tally: Tally, event: events.EngineEvent, tokens: list[str]) -> None:
    if isinstance(event, events.ScenarioFinished):
        tally.phases[event.phase.value] += len(event.recorder.interactions)
        _count(tally, event.recorder, tokens)
    elif isinstance(event, events.NonFatalError):
        tally.found.setdefault(f"{event.label}: {event.info.title}", str(event.info.message))
    elif isinstance(event, events.FatalError):
        raise event.exception
    elif isinstance(event, events.EngineFinished) and event.stop_reason not in AS_PLANNED:
        tally.found["schemathesis gave up"] = event.stop_reason.value


def _count(tally: Tally, recorder: ScenarioRecorder, tokens: list[str]) -> None:
    tally.cases += len(recorder.interactions)
    for case_id, interaction in recorder.interactions.items():
        label = recorder.cases[case_id].value.operation.label
        tally.operations.add(label)
        response = interaction.response
        if response is not None and httpx.codes.is_success(response.status_code):
            tally.succeeded.add(label)
    for node in (node for nodes in recorder.checks.values() for node in nodes):
        tally.checks[node.name] += 1
        if node.status is Status.FAILURE and node.failure_info is not None:
            failure = node.failure_info.failure
            again = f"{failure.message}\n{_shown(node.failure_info.code_sample, tokens)}"
            finding = f"{failure.operation}: {failure.title} [{node.name}]"
            tally.found.setdefault(finding, again)


def run(targets: list[str], manners: list[str], seconds: int, seed: int) -> list[Tally]:
    """Send the tables, then fuzz for as long as the time lasts."""
    deadline = time.monotonic() + seconds
    tallies: list[Tally] = []
    with ExitStack() as stack:
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        progress = stack.enter_context(Progress(*columns, console=out))
        portal = stack.enter_context(start_blocking_portal())
        opened = {name: stack.enter_context(TARGETS[name](portal)) for name in targets}

        def shown(name: str) -> tuple[Tally, Show]:
            task = progress.add_task(name, total=1)

            def show(part: float, tally: Tally) -> None:
                found = f", {len(tally.found)} found" if tally.found else ""
                text = f"{tally.name}: {tally.cases} cases{found}"
                progress.update(task, completed=part, description=text)

            tallies.append(Tally(name))
            return tallies[-1], show

        async def sweep_all() -> None:
            async with anyio.create_task_group() as tasks:
                for name, target in opened.items():
                    if TABLE in manners and target.app is None:  # the unit tests do it in process
                        tasks.start_soon(sweep, target, *shown(f"{name}, the table"))

        anyio.run(sweep_all)
        deadline = max(deadline, time.monotonic() + seconds * LEAST)
        shares = {who: SHARES[who] for who in SHARES if who[0] in opened and who[1] in manners}
        while shares:
            (name, caller), share = next(iter(shares.items()))
            left = (deadline - time.monotonic()) * share / sum(shares.values())
            fuzz(opened[name], Leg(caller, left, seed), *shown(f"{name} as {caller}"))
            del shares[name, caller]
        for name, target in opened.items():
            _, traceback, told = target.said().partition("Traceback (most recent call last)")
            if traceback:
                found = {"a traceback is in the log of the service": _shown(told, [])}
                tallies.append(Tally(name, found=found))
    return tallies


def report(tallies: list[Tally], replay: str) -> int:
    """Print what was done and what was found, and give how much that is."""
    table = Table("", "operations", "cases", "checks", "seconds", "found", box=None)
    for tally in tallies:
        asked = (len(tally.operations), tally.cases, tally.checks.total())
        numbers = (*asked, round(tally.seconds), len(tally.found))
        table.add_row(tally.name, *(f"{number:,}" for number in numbers))
    out.print(table)
    checks = sorted(set().union(*(tally.checks for tally in tallies)))
    out.print(f"\nChecks: {', '.join(checks)}")
    phases = sum((tally.phases for tally in tallies), Counter())
    out.print(f"Phases: {', '.join(f'{name} {count:,}' for name, count in phases.items())}")
    for why, count in sum((tally.excused for tally in tallies), Counter()).most_common():
        out.print(f"No finding, {count} times: {why}")
    operations = set().union(*(tally.operations for tally in tallies))
    never = operations.difference(*(tally.succeeded for tally in tallies))
    out.print(f"Never answered with success: {', '.join(sorted(never)) or 'no operation'}")
    findings = [(tally.name, *found) for tally in tallies for found in tally.found.items()]
    for name, finding, again in findings:
        out.print(f"\n[{name}] {finding}\n{again}")
    out.print(f"\n{len(findings)} found. {replay}")
    return len(findings)


def main() -> None:
    """Fuzz, report, and exit with 1 if anything was found."""
    parser = argparse.ArgumentParser(
        prog="python -m strength.fuzz",
        description="Send the HTTP API what nobody honest sends, and see that every answer is "
        "documented and none is a 5xx. The lines of curl want TOKEN set, and a service that runs.",
    )
    parser.add_argument("--seconds", type=int, default=120, help="about how long (120)")
    parser.add_argument("--seed", type=int, help="that of a run to be replayed")
    parser.add_argument("--on", choices=TARGETS, action="append", help="only this; repeatable")
    manners = [TABLE, *dict.fromkeys(caller for _, caller in SHARES)]
    parser.add_argument("--as", choices=manners, action="append", help="only so; repeatable")
    asked = vars(parser.parse_args())
    seed = random.randrange(2**32) if asked["seed"] is None else asked["seed"]  # noqa: S311 - no secret
    words = [f"--seed {seed} --seconds {asked['seconds']}"]
    words += [f"--{option} {value}" for option in ("on", "as") for value in asked[option] or ()]
    replay = f"Replay: make fuzz ARGS='{' '.join(words)}'"
    out.print(replay)
    tallies = run(asked["on"] or list(TARGETS), asked["as"] or manners, asked["seconds"], seed)
    sys.exit(1 if report(tallies, replay) else 0)


if __name__ == "__main__":
    main()
