"""What every benchmark is made of, and how its contestants take turns."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from statistics import median
from typing import Final

Figures = Mapping[str, float]
"""What one turn measured: quantities by their names, which say the unit."""

Contestant = Callable[[], Awaitable[Figures]]
"""Takes one turn."""

QUICK: Final = 0.1
"""The part of its time that a turn has where only the working of a benchmark is to be seen."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What a benchmark may use: a server of Postgres, a directory, and so much of the time."""

    postgres: str
    directory: Path
    share: float = 1.0
    """Of what a turn, or a table, has by default."""

    def seconds(self, usual: float) -> float:
        """Give how long a turn lasts."""
        return usual * self.share

    def rows(self, usual: int) -> int:
        """Give how many of something there are."""
        return max(int(usual * self.share), 1)


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something that was measured of a contestant."""

    contestant: str
    name: str

    def __str__(self) -> str:
        return f"{self.contestant}: {self.name}"


@dataclass(frozen=True, slots=True)
class Target:
    """What is wanted: a quantity of ours, over one of a peer's where there is one."""

    number: str
    ours: Quantity
    peer: Quantity | None = None
    at_least: float = -inf
    at_most: float = inf

    def __str__(self) -> str:
        return str(self.ours) if self.peer is None else f"{self.ours} / {self.peer}"

    @property
    def wanted(self) -> str:
        """Write what is wanted of the ratio; nothing is, of one that only informs."""
        if self.at_least > -inf:
            return f"≥ {self.at_least:,.4g}"
        return f"≤ {self.at_most:,.4g}" if self.at_most < inf else ""


@dataclass(frozen=True, slots=True)
class Spread:
    """The figures of all rounds in three: what lies between them is the noise."""

    least: float
    middle: float
    most: float

    @classmethod
    def of(cls, figures: list[float]) -> "Spread":
        """Sum figures up."""
        return cls(min(figures), median(figures), max(figures))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a target."""

    target: Target
    ratio: Spread

    @property
    def is_met(self) -> bool:
        """Whether the median is as wanted."""
        return self.target.at_least <= self.ratio.middle <= self.target.at_most


@dataclass(slots=True)
class Results:
    """What was measured, round after round."""

    rounds: list[dict[str, Figures]] = field(default_factory=list)

    def spread(self, quantity: Quantity) -> Spread:
        """Sum a quantity up over the rounds."""
        return Spread.of([figures[quantity.contestant][quantity.name] for figures in self.rounds])

    def quantities(self) -> list[Quantity]:
        """Give everything that was measured, in the order of the turns."""
        first = self.rounds[0]
        return [Quantity(name, quantity) for name in first for quantity in first[name]]

    def verdict(self, target: Target) -> Verdict:
        """Judge each round by itself, as what disturbs one disturbs all who took a turn in it."""
        return Verdict(target, Spread.of([_ratio(target, figures) for figures in self.rounds]))


def _ratio(target: Target, figures: Mapping[str, Figures]) -> float:
    def of(quantity: Quantity) -> float:
        return figures[quantity.contestant][quantity.name]

    if target.peer is None:
        return of(target.ours)
    peer = of(target.peer)
    return of(target.ours) / peer if peer else inf


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Contestants that take turns, and what is wanted of their figures."""

    name: str
    title: str
    opened: Callable[[Bench], AbstractAsyncContextManager[Mapping[str, Contestant]]]
    targets: tuple[Target, ...]
    peers: tuple[str, ...] = ()
    """Whose environments have to be there."""
    drawn: Callable[[Results], Mapping[str, str]] = lambda _results: {}
    """What plots there are of the results: files by their names."""


async def take_turns(
    benchmark: Benchmark, bench: Bench, *, rounds: int, progress: Callable[[str], None]
) -> Results:
    """Let the contestants take turns, in one order and then in the other, and so on."""
    results = Results()
    async with benchmark.opened(bench) as contestants:
        order = list(contestants)
        for number in range(1, rounds + 1):
            figures: dict[str, Figures] = {}
            for name in order:
                progress(f"{benchmark.name}, round {number} of {rounds}: {name}")
                figures[name] = await contestants[name]()
            results.rounds.append({name: figures[name] for name in contestants})
            order.reverse()
    return results
