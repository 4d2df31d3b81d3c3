"""What was measured, as tables that people read, in a terminal and in a file."""

from collections.abc import Sequence

from benchmarks.harness import Benchmark, Results, Spread

_FINE = 10


def section(benchmark: Benchmark, results: Results) -> str:
    """Write what a benchmark found: what is wanted, then everything that was measured."""
    verdicts = [results.verdict(target) for target in benchmark.targets]
    judged = [
        [
            verdict.target.number,
            str(verdict.target),
            verdict.target.wanted,
            *_shown(verdict.ratio),
            ("met" if verdict.is_met else "missed") if verdict.target.wanted else "",
        ]
        for verdict in verdicts
    ]
    measured = [
        [quantity.contestant, quantity.name, *_shown(results.spread(quantity))]
        for quantity in results.quantities()
    ]
    return "\n".join(
        [
            f"## {benchmark.name}: {benchmark.title}",
            "",
            *table(["#", "ratio", "wanted", "median", "least", "most", ""], judged),
            "",
            *table(["contestant", "measured", "median", "least", "most"], measured),
            "",
        ]
    )


def _shown(spread: Spread) -> list[str]:
    return [number(figure) for figure in (spread.middle, spread.least, spread.most)]


def number(figure: float) -> str:
    """Write three digits that count, or all before the point."""
    if figure == 0:
        return "0"
    return f"{figure:.3g}" if abs(figure) < _FINE**3 else f"{figure:,.0f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Write a table of Markdown that is as easy to read as it stands."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        return f"| {' | '.join(padded)} |"

    return [line(head), line(["-" * width for width in widths]), *map(line, rows)]
