"""The benchmarks' own tools, on servers that live in this process; no time is asserted."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from xml.dom.minidom import parseString

import anyio
from anyio.abc import SocketAttribute, SocketStream

from benchmarks.__main__ import BENCHMARKS
from benchmarks.harness import (
    Bench,
    Benchmark,
    Contestant,
    Figures,
    Quantity,
    Results,
    Spread,
    Target,
    take_turns,
)
from benchmarks.load import hammer, once, request, steadily
from benchmarks.peers.environments import directory_of
from benchmarks.plots import Plot
from benchmarks.report import section
from tests.integration.server import PATIENCE

OURS, PEER = Quantity("ours", "µs"), Quantity("peer", "µs")
ASKED = request("GET", "/")


@asynccontextmanager
async def answering(
    answer: Callable[[], Awaitable[int]], *, closes: bool = False
) -> AsyncIterator[int]:
    """Serve whatever status is said, with a body that comes in two parts; give the port."""

    async def serve(stream: SocketStream) -> None:
        async with stream:
            with suppress(anyio.EndOfStream):
                while await stream.receive():
                    status = await answer()
                    head = f"HTTP/1.1 {status} Said\r\n"
                    if status == 304:  # which has no body, and need not say how long that is
                        await stream.send(f"{head}\r\n".encode())
                    else:
                        await stream.send(f"{head}Content-Length: 4\r\n\r\nte".encode())
                        await stream.send(b"xt")
                    if closes:
                        return

    listening = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listening, anyio.create_task_group() as tasks:
        tasks.start_soon(listening.serve, serve)
        yield listening.extra(SocketAttribute.local_port)  # noqa: S610 - AnyIO's, not Django's
        tasks.cancel_scope.cancel()


def a_benchmark(turns: list[str], *targets: Target) -> Benchmark:
    async def turn(name: str) -> Figures:
        turns.append(name)
        return {"µs": float(len(turns))}

    @asynccontextmanager
    async def opened(_bench: Bench) -> AsyncIterator[Mapping[str, Contestant]]:
        yield {"ours": lambda: turn("ours"), "peer": lambda: turn("peer")}

    return Benchmark("any", "Anything", opened, targets)


async def test_contestants_take_turns_in_one_order_and_then_in_the_other(tmp_path: Path) -> None:
    turns: list[str] = []
    said: list[str] = []
    results = await take_turns(
        a_benchmark(turns), Bench("", tmp_path), rounds=3, progress=said.append
    )
    assert turns == ["ours", "peer", "peer", "ours", "ours", "peer"]
    assert [said[0], said[-1]] == ["any, round 1 of 3: ours", "any, round 3 of 3: peer"]
    assert results.quantities() == [OURS, PEER]


def test_a_ratio_is_of_what_was_measured_in_the_same_round() -> None:
    measured = [(1.0, 2.0), (10.0, 20.0), (100.0, 100.0)]
    results = Results([{"ours": {"µs": ours}, "peer": {"µs": peer}} for ours, peer in measured])
    verdict = results.verdict(Target("1", OURS, PEER, at_most=0.5))
    assert (verdict.ratio, verdict.is_met) == (Spread(0.5, 0.5, 1.0), True)


def test_a_target_is_judged_from_its_own_side() -> None:
    results = Results([{"ours": {"µs": 2.0}, "peer": {"µs": 1.0}}])
    targets = [
        Target("1", OURS, PEER, at_least=2.5),
        Target("1", OURS, PEER, at_most=1.5),
        Target("1", OURS, at_least=2),
        Target("1", OURS, at_most=2),
    ]
    assert [results.verdict(target).is_met for target in targets] == [False, False, True, True]
    lines = section(a_benchmark([], *targets), results).splitlines()
    assert [line.split("|")[-2].strip() for line in lines[4:8]] == [*["missed"] * 2, *["met"] * 2]


async def test_a_load_counts_answers_and_refusals() -> None:
    statuses = iter([200, 503, *[304] * 100_000])

    async def answer() -> int:
        return next(statuses)

    async with answering(answer) as port:
        asked = await hammer(port, [ASKED], connections=3, seconds=0.05)
        last = await once(port, ASKED)
    assert (asked.refused, asked.answered) == (1, len(asked.latencies))
    assert asked.rate > 0
    assert last.body == b""  # of a 304, there is none


async def test_a_server_that_stalls_holds_back_nobody_who_asks_at_a_steady_rate() -> None:
    all_here = anyio.Event()
    here = 0

    async def answer() -> int:
        nonlocal here
        here += 1
        if here == 3:
            all_here.set()
        await all_here.wait()
        return 200

    async with answering(answer) as port:
        with anyio.fail_after(PATIENCE):
            asked = await steadily(port, ASKED, per_second=1000, seconds=0.003)
    assert (asked.answered, asked.refused) == (3, 0)
    assert asked.latencies == sorted(asked.latencies, reverse=True)  # each from when it was due


async def test_a_connection_that_the_server_has_closed_is_not_used_again() -> None:
    async def answer() -> int:
        return 200

    async with answering(answer, closes=True) as port:
        asked = await steadily(port, ASKED, per_second=50, seconds=0.06)
    assert (asked.answered, asked.refused) == (3, 0)


def test_a_plot_has_a_line_for_each_name() -> None:
    lines = {"users & rows": [Spread(1, 1, 1), Spread(0.9, 1, 1.4)], "markets": [Spread(1, 1, 1)]}
    drawn = parseString(Plot("Anything", (1, 2), lines).svg())  # noqa: S318 - what we drew
    assert len(drawn.getElementsByTagName("polyline")) == 2


def test_every_peer_has_its_versions_pinned() -> None:
    peers = {peer for benchmark in BENCHMARKS.values() for peer in benchmark.peers}
    for peer in peers:
        for line in (directory_of(peer) / "requirements.txt").read_text().splitlines():
            assert re.fullmatch(r"[\w.-]+==[\w.]+", line), f"{peer}: {line}"
