import pytest
from anyio.lowlevel import checkpoint

from app.domain.range_units.errors import FeedUnavailable
from app.domain.range_units.revisions import Exchange
from tests.feeds import a_reply, ticks_of_upbit
from tests.unit.cli.program import Program

SYNC = ("range-units", "sync", "coinone")
JOBS = ("range-units", "jobs")


@pytest.fixture(autouse=True)
def coinone(program: Program) -> None:
    exchange = Exchange("coinone", "Coinone", "Asia/Seoul")
    program.with_range_units(lambda s: s.range_units.put_exchange(exchange=exchange))
    program.coinone.replies = {"KRW/BTC": [a_reply("1")], "KRW/ETH": [a_reply("1", target="ETH")]}


def test_a_sync_counts_what_became_of_the_markets(program: Program) -> None:
    ended = program.run(*SYNC)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.rows == [
        ["attempted", "2"],
        ["inserted", "2"],
        ["updated", "0"],
        ["unchanged", "0"],
        ["rejected", "0"],
        ["checked", "0"],
        ["disagreeing", "0"],
    ]


def test_a_tick_size_that_disagrees_is_told_and_is_no_failure(program: Program) -> None:
    exchange = Exchange("upbit", "Upbit")
    program.with_range_units(lambda s: s.range_units.put_exchange(exchange=exchange))
    program.upbit.replies = {"KRW/BTC": [ticks_of_upbit(KRW_BTC="2")]}
    ended = program.run("range-units", "sync", "upbit", "--json")
    document = ended.document
    note = "upbit KRW/BTC: the exchange states the tick size 2, and there are no range units"
    assert (ended.exit_code, ended.stderr) == (0, f"tickgate: odd: {note}\n")
    assert (document["checked"], document["disagreeing"]) == (1, 1)
    assert document["notes"] == [{"part": "KRW/BTC", "note": note}]


def test_parts_that_fail_are_told_and_the_exit_code_is_1(program: Program) -> None:
    program.coinone.replies["KRW/BTC"] = FeedUnavailable("It is away.")
    ended = program.run(*SYNC, "--json")
    document = ended.document
    assert (ended.exit_code, document["state"], document["inserted"]) == (1, "done", 1)
    failure = {"part": "KRW/BTC", "reason": "It is away. [feed_unavailable]"}
    assert (document["failures"], document["failures_not_told"]) == ([failure], 0)
    assert ended.stderr.splitlines() == [
        "tickgate: KRW/BTC: It is away. [feed_unavailable]",
        "tickgate: 1 of 2 parts failed",
    ]


def test_markets_of_a_reply_that_are_rejected_are_told_and_the_exit_code_is_1(
    program: Program,
) -> None:
    program.with_range_units(
        lambda s: s.range_units.put_exchange(exchange=Exchange("upbit", "Upbit"))
    )
    program.upbit.replies = {"KRW/BTC,ETH": [ticks_of_upbit(KRW_BTC="1", KRW_ETH="-1")]}
    ended = program.run("range-units", "sync", "upbit")
    assert ended.exit_code == 1
    assert "upbit KRW/ETH: [1].tick_size: is not above zero" in ended.stderr
    assert "1 of 1 parts failed" in ended.stderr


def test_an_exchange_that_is_away_or_unknown_has_the_exit_code_of_its_refusal(
    program: Program,
) -> None:
    program.coinone.down = FeedUnavailable("It is away.")
    away, unknown = program.run(*SYNC), program.run("range-units", "sync", "nowhere")
    assert (away.exit_code, away.stderr) == (3, "tickgate: It is away. [feed_unavailable]\n")
    assert unknown.exit_code == 1
    assert "[no_feed]" in unknown.stderr


def test_interrupted_it_stops_cleanly_and_the_job_can_be_resumed(program: Program) -> None:
    async def interrupt(_part: str) -> None:
        await checkpoint()
        raise KeyboardInterrupt

    program.coinone.on_fetch = interrupt
    assert program.run(*SYNC).exit_code == 130
    [job] = program.run(*JOBS, "--json").document["items"]
    assert (job["state"], job["reason"]) == ("cancelled", "Its process was stopped.")
    assert program.sync_locks.holders == {}


def test_a_sync_that_is_cancelled_elsewhere_says_so(program: Program) -> None:
    async def cancel(_part: str) -> None:
        [report] = await program.sync.list_jobs()
        await program.sync.cancel(job_id=report.job.id)

    program.coinone.on_fetch = cancel
    program.coinone.replies = {f"{number}": [a_reply("1")] for number in range(50)}
    ended = program.run(*SYNC)
    assert ended.exit_code == 1
    assert "is cancelled: It was cancelled." in ended.stderr


def test_jobs_are_listed_newest_first(program: Program) -> None:
    program.run(*SYNC)
    program.run(*SYNC)
    heading, *rows = program.run(*JOBS, "--exchange", "coinone").rows
    assert heading[:3] == ["id", "exchange", "state"]
    assert [row[1:3] for row in rows] == [["coinone", "done"]] * 2
    ids = [item["id"] for item in program.run(*JOBS, "--json").document["items"]]
    assert ids == [row[0] for row in rows] == sorted(ids, reverse=True)
    assert program.run(*JOBS, "--exchange", "korbit", "--json").document == {"items": []}
