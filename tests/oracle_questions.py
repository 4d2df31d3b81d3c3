"""Every question that the API takes about prices, each with what the oracle has to say to it."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import partial
from random import Random
from typing import Any, Final
from urllib.parse import quote

import httpx

from app.domain.range_units.grid import Direction, Ties
from app.domain.range_units.table import RangeUnitTable
from tests.oracle import Oracle
from tests.random_tables import Drawn

ROUNDINGS: Final[list[dict[str, str]]] = [
    {"direction": "down"},
    {"direction": "up"},
    {"direction": "nearest"},
    {"direction": "nearest", "ties": "up"},
    {"direction": "nearest", "ties": "down"},
    {"direction": "nearest", "ties": "even"},
    {"side": "buy", "intent": "passive"},
    {"side": "sell", "intent": "aggressive"},
    {"side": "buy", "intent": "aggressive"},
    {"side": "sell", "intent": "passive"},
]

Answer = Mapping[str, Any]
Expected = Mapping[str, set[Any]]
"""What each field may be; where the rules leave it open, there is more than one."""


@dataclass(frozen=True)
class Question:
    """A request, and what the oracle finds wrong with its answer; `answers` is how many it asks."""

    name: str
    method: str
    path: str
    body: dict[str, Any] | None
    answers: int
    status: int
    faults: Callable[[Answer], Iterator[str]]


def text(number: Fraction | None) -> str | None:
    """Write a number in plain notation, by long division."""
    if number is None:
        return None
    whole, rest = divmod(abs(number.numerator), number.denominator)
    digits = ""
    while rest:
        digit, rest = divmod(rest * 10, number.denominator)
        digits += str(digit)
    sign = "-" if number < 0 else ""
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def body_of(table: RangeUnitTable, source: str) -> dict[str, Any]:
    """Give what states a table, its last band ending where the table does."""
    said = {"top": table.top, "min_price": table.min_price, "max_price": table.max_price}
    return {
        "range_units": [
            {
                "range_min": format(band.range_min, "f"),
                "price_unit": format(band.price_unit, "f"),
            }
            for band in table.bands
        ],
        "boundary": table.boundary,
        "anchor": table.anchor,
        "top_rule": table.top_rule,
        "source": source,
        **{name: format(number, "f") for name, number in said.items() if number is not None},
    }


def questions(drawn: Drawn, random: Random) -> list[Callable[[], Question]]:
    """Ask everything about a table and its prices: what they are first, the rest in any order."""
    asked = _Asked(drawn, random)
    rest = [partial(asked.round, how) for how in ROUNDINGS]
    for price in random.sample(drawn.prices, 2):
        rest += [partial(asked.one, price), partial(asked.ladder, price)]
    some = [asked.some_price() for _ in range(4)]
    rest += [partial(asked.step, *step) for step in zip(some, asked.distances(), strict=True)]
    rest += [partial(asked.ticks, some[0], some[1]), partial(asked.ticks, some[2], some[3])]
    return [asked.check, *random.sample(rest, len(rest))]


class _Asked:
    def __init__(self, drawn: Drawn, random: Random) -> None:
        self.oracle = Oracle(drawn.table)
        self.prices = drawn.prices
        self.random = random

    # -- questions -------------------------------------------------------------------------

    def check(self) -> Question:
        expected = [self._facts(Fraction(price)) for price in self.prices]
        body = {"prices": [self._written(price) for price in self.prices]}
        return self._batch("prices/check", body, expected)

    def round(self, how: dict[str, str]) -> Question:
        expected = [self._rounded(Fraction(price), how) for price in self.prices]
        body = {"prices": [self._written(price) for price in self.prices], **how}
        return self._batch("prices/round", body, expected)

    def one(self, price: Decimal) -> Question:
        path = f"prices/{quote(self._written(price))}"
        return self._single("GET", path, None, self._facts(Fraction(price)))

    def ladder(self, price: Decimal) -> Question:
        levels = self.random.randint(1, 8)
        walks = []
        for after in (self.oracle.below, self.oracle.above):
            walk: list[str | None] = []
            at = after(Fraction(price))
            while at is not None and len(walk) < levels:
                walk.append(text(at))
                at = after(at)
            walks.append(walk)
        path = f"ladder?price={quote(self._written(price))}&levels={levels}"
        facts = {**self._facts(Fraction(price)), "grandfathered": {"nothing"}}

        def faults(answer: Answer) -> Iterator[str]:
            yield from _differences(answer, facts)
            found = [answer["below"], answer["above"]]
            if found != walks:
                yield f"{found}, expected {walks}"

        return Question("ladder", "GET", path, None, 1, 200, faults)

    def step(self, price: Fraction, ticks: int) -> Question:
        path, body = "prices/step", {"price": text(price), "ticks": ticks}
        if not self.oracle.valid(price):
            return self._refused("POST", path, body, [price])
        expected: Expected = {"price": {text(price)}, "ticks": {ticks}}
        if abs(ticks) <= 12:
            stepped = self.oracle.step(price, ticks)
            expected = {**expected, "stepped": {text(stepped)}, "reason": {None}}
            expected |= self._band(stepped)
            if stepped is None:
                expected = {**expected, "reason": self.oracle.beyond(upwards=ticks > 0)}

        def faults(answer: Answer) -> Iterator[str]:
            yield from _differences(answer, expected)
            if abs(ticks) > 12:
                yield from self._faults_of_a_leap(price, ticks, answer)

        return Question("step", "POST", path, body, 1, 200, faults)

    def ticks(self, start: Fraction, end: Fraction) -> Question:
        path = f"ticks?from={quote(str(text(start)))}&to={quote(str(text(end)))}"
        refused = [price for price in (end, start) if not self.oracle.valid(price)]
        if refused:
            return self._refused("GET", path, None, refused)
        counted = self.oracle.ticks(start, end)
        expected: Expected = {"from": {text(start)}, "to": {text(end)}, "ticks": {counted}}
        return self._single("GET", path, None, expected)

    # -- what they are about ---------------------------------------------------------------

    def some_price(self) -> Fraction:
        """Give a price, a valid one mostly, where the table has any."""
        price = Fraction(self.random.choice(self.prices))
        low, high = self.oracle.floor(price), self.oracle.ceil(price)
        valid = [found for found in (low, high) if found is not None]
        # Of a huge price the neighbour may have more digits than a question.
        valid = [found for found in valid if abs(found) < 10**40]
        return self.random.choice(valid) if valid and self.random.random() < 0.9 else price

    def distances(self) -> list[int]:
        random = self.random
        near, far = random.randint(-12, 12), random.randint(13, 10 ** random.randint(2, 30))
        return [near, random.randint(-12, 12), far, -random.randint(13, 10 ** random.randint(2, 5))]

    def _written(self, price: Decimal) -> str:
        """Write a price in one of the ways in which it may be written."""
        plain = format(price, "f")
        zeros = plain + (".000" if "." not in plain else "00")
        with_exponent = f"{price:E}"
        ways = [plain, plain, zeros if len(zeros) < 100 else plain, with_exponent]
        return self.random.choice([way for way in ways if len(way) <= 100])

    # -- answers ---------------------------------------------------------------------------

    def _facts(self, price: Fraction) -> Expected:
        oracle = self.oracle
        return {
            "price": {text(price)},
            "valid": {oracle.valid(price)},
            "reason": {*oracle.reasons(price)} or {None},
            "floor": {text(oracle.floor(price))},
            "ceil": {text(oracle.ceil(price))},
            "next_down": {text(oracle.below(price))},
            "next_up": {text(oracle.above(price))},
            **self._band(price),
            "grandfathered": {None},
        }

    def _band(self, price: Fraction | None) -> Expected:
        oracle = self.oracle
        has_one = price is not None and (price > 0 or not oracle.only_positive)
        stretch = oracle.stretch_of(price) if has_one and price is not None else None
        return {
            "price_unit": {stretch and text(stretch.unit)},
            "range_min": {stretch and text(stretch.start)},
            "next_range_min": {stretch and text(stretch.end)},
        }

    def _rounded(self, price: Fraction, how: dict[str, str]) -> Expected:
        where = how.get("direction") or (
            "down"
            if how["side"] == {"passive": "buy", "aggressive": "sell"}[how["intent"]]
            else "up"
        )
        if where == Direction.NEAREST:
            found = self.oracle.nearest(price, Ties(how.get("ties", "up")))
        else:
            found = {self.oracle.floor(price) if where == "down" else self.oracle.ceil(price)}
        return {
            "price": {text(price)},
            "rounded": {text(one) for one in found},
            "changed": {one != price for one in found},
            "reason": {*self.oracle.reasons(price)} or {None},
        }

    def _faults_of_a_leap(self, price: Fraction, ticks: int, answer: Answer) -> Iterator[str]:
        """Judge a step that is too long to walk: by how many prices lie between, or ahead."""
        oracle = self.oracle
        stepped = None if answer["stepped"] is None else Fraction(answer["stepped"])
        yield from _differences(answer, self._band(stepped))
        if stepped is not None:
            if answer["reason"] is not None or not oracle.valid(stepped):
                yield f"leads to {answer['stepped']}, for the reason {answer['reason']}"
            elif (counted := oracle.ticks(price, stepped)) != ticks:
                yield f"leads {counted} ticks away"
            return
        if answer["reason"] not in self.oracle.beyond(upwards=ticks > 0):
            yield f"ends for the reason {answer['reason']}"
        if ticks < 0 and oracle.up_to(price) > -ticks:
            yield "ends although there are prices below"
        if ticks > 0 and (oracle.end is None or oracle.ticks(price, oracle.end) >= ticks):
            yield "ends although there are prices above"

    # -- requests --------------------------------------------------------------------------

    def _batch(self, path: str, body: dict[str, Any], expected: list[Expected]) -> Question:
        def faults(answer: Answer) -> Iterator[str]:
            for one, wanted in zip(answer["results"], expected, strict=True):
                yield from _differences(one, wanted, all_of_them=True)

        return Question(path, "POST", path, body, len(expected), 200, faults)

    def _single(
        self, method: str, path: str, body: dict[str, Any] | None, expected: Expected
    ) -> Question:
        name = "one price" if path.startswith("prices") else "ticks"
        return Question(
            name, method, path, body, 1, 200, lambda answer: _differences(answer, expected)
        )

    def _refused(
        self, method: str, path: str, body: dict[str, Any] | None, prices: list[Fraction]
    ) -> Question:
        """Expect a refusal that tells what every refused price comes with."""
        expected = [self._facts(price) for price in prices]
        told = ["price", "reason", "floor", "ceil", "price_unit", "range_min", "next_range_min"]

        def faults(answer: Answer) -> Iterator[str]:
            refused = answer.get("refused_price", {})
            found = [
                [*_differences(refused, {name: each[name] for name in told})] for each in expected
            ]
            if answer["code"] != "price_off_grid" or all(found):
                yield f"{answer['code']}: {found}"

        return Question("off the grid", method, path, body, 1, 422, faults)


def _differences(answer: Answer, expected: Expected, *, all_of_them: bool = False) -> Iterator[str]:
    if all_of_them and answer.keys() != expected.keys():
        yield f"has the fields {sorted(answer)}"
    for name, may_be in expected.items():
        if answer.get(name, "nothing") not in may_be:
            said, about = answer.get(name, "nothing"), answer.get("price")
            yield f"{name} of {about} is {said}, expected {' or '.join(map(str, may_be))}"


@dataclass(frozen=True)
class Heard:
    """How many answers a table gave, and what the oracle finds wrong with them."""

    answers: Counter[str]
    faults: list[str]


async def hear(
    client: httpx.AsyncClient,
    market: str,
    drawn: Drawn,
    random: Random,
    *,
    most: int | None = None,
) -> Heard:
    """State a table for a market, by its path, and ask everything about it, or some of it."""
    body = body_of(drawn.table, f"drawn: {drawn.kind}")
    stated = await client.put(f"{market}/range-units", json=body)
    if stated.status_code not in {200, 201}:
        return Heard(Counter(), [f"PUT {market}: {stated.status_code} {stated.text}"])
    heard = Heard(Counter(), [])
    for ask in questions(drawn, random)[:most]:
        question = ask()
        answer = await client.request(
            question.method, f"{market}/{question.path}", json=question.body
        )
        heard.answers[question.name] += question.answers
        for fault in wrong(question, answer, stated.json()["revision_id"]):
            asked = f"{question.method} {question.path} {json.dumps(question.body)}"
            heard.faults.append(f"{asked} of {json.dumps(body)}: {fault}")
    return heard


def wrong(question: Question, answer: httpx.Response, revision_id: str) -> Iterator[str]:
    """Give what the oracle finds wrong with an answer, or who says it."""
    if answer.status_code != question.status:
        yield f"answered {answer.status_code} {answer.text}"
        return
    found = answer.json()
    by = found.get("refused_price", found).get("revision_id")
    if by != revision_id:
        yield f"answered by the revision {by} and not by {revision_id}"
    yield from question.faults(found)
