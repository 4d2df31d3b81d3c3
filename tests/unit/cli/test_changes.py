import json

import pytest

from app.adapters.cli.range_units_services import RangeUnitsServices
from app.domain.range_units.revisions import Exchange, market_of
from tests.builders import a_table
from tests.unit.cli.program import Program

CHANGES = ("range-units", "changes")


@pytest.fixture(autouse=True)
def exchanges(program: Program) -> None:
    async def put(services: RangeUnitsServices) -> None:
        for code in ("coinone", "upbit"):
            await services.range_units.put_exchange(exchange=Exchange(code, code))

    program.with_range_units(put)


def state(program: Program, unit: str, *, exchange: str = "coinone") -> str:
    market = market_of(exchange, "KRW", "BTC")
    units, _ = program.with_range_units(
        lambda s: s.range_units.put_range_units(
            market=market, table=a_table(("0", unit)), source="a notice"
        )
    )
    return str(units.revision.id)


def told(program: Program, *options: str) -> list[str]:
    ended = program.run(*CHANGES, "--json", *options)
    return [json.loads(line)["revision_id"] for line in ended.stdout.splitlines()]


def test_changes_are_told_in_a_line_each(program: Program) -> None:
    revision_id = state(program, "1")
    [words] = program.run(*CHANGES).rows
    assert words[2:6] == ["recorded", "coinone", "KRW/BTC", "from"]
    assert words[-1] == revision_id


def test_a_change_for_programs_has_what_the_http_api_says(program: Program) -> None:
    state(program, "1")
    fields = program.run(*CHANGES, "--json").document
    assert list(fields) == [
        "position",
        "at",
        "kind",
        "exchange",
        "quote_currency",
        "target_currency",
        "revision_id",
        "effective_from",
        "source",
        "digest",
    ]


def test_changes_are_told_beyond_a_position_and_of_an_exchange(program: Program) -> None:
    first, other = state(program, "1"), state(program, "1", exchange="upbit")
    position = program.run(*CHANGES, "--json", "--exchange", "coinone").document["position"]
    assert told(program, "--since", str(position)) == [other]
    assert told(program, "--since", "0", "--exchange", "COINONE") == [first]
    assert told(program, "--since", "latest") == []


def test_following_tells_what_comes_until_it_is_interrupted(program: Program) -> None:
    state(program, "1")
    looks = 0

    def on_pause() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise KeyboardInterrupt

    program.on_pause = on_pause
    ended = program.run(*CHANGES, "-f")
    assert (len(ended.rows), looks, ended.exit_code) == (1, 3, 130)


@pytest.mark.parametrize(
    ("options", "exit_code"),
    [
        (("--since", "x"), 2),
        (("--since", "-1"), 2),
        (("--since", "99"), 1),
        (("--exchange", "nowhere"), 1),
        (("--exchange", "nowhere", "--since", "latest"), 1),
    ],
)
def test_what_cannot_be_followed_is_refused(
    program: Program, options: tuple[str, ...], exit_code: int
) -> None:
    assert program.run(*CHANGES, *options).exit_code == exit_code


def test_the_vectors_are_printed_as_they_are(program: Program) -> None:
    assert program.run("range-units", "vectors").stdout == "{}\n"
