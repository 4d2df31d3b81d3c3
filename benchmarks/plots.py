"""Lines over doublings, as SVG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from benchmarks.harness import Spread

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 170, 40, 50
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
_LOW, _HIGH = 0.7, 1.3
_STEP: Final = 0.1


@dataclass(frozen=True, slots=True)
class Plot:
    """Lines with a name each; every line has a point for each size."""

    title: str
    sizes: Sequence[int]
    lines: Mapping[str, Sequence[Spread]]
    """Ratios to the first size."""

    def svg(self) -> str:
        """Draw them, with the noise as bars."""
        shown = [point for line in self.lines.values() for point in line]
        low = min([_LOW, *(point.least for point in shown)])
        high = max([_HIGH, *(point.most for point in shown)])

        def x(place: int) -> float:
            return _LEFT + place * (_WIDTH - _LEFT - _RIGHT) / max(len(self.sizes) - 1, 1)

        def y(ratio: float) -> float:
            return _TOP + (high - ratio) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

        parts = [_text(_LEFT, 22, self.title, "font-size='15'")]
        for ratio in (1 - _STEP, 1.0, 1 + _STEP):
            style = "stroke='#999'" if ratio == 1 else "stroke='#ccc' stroke-dasharray='4'"
            parts.append(_line(x(0), y(ratio), x(len(self.sizes) - 1), y(ratio), style))
            parts.append(_text(_LEFT - 10, y(ratio) + 4, f"{ratio:.1f}", "text-anchor='end'"))
        for place, size in enumerate(self.sizes):
            middle = "text-anchor='middle'"
            parts.append(_text(x(place), _HEIGHT - 25, f"{size}x", middle))
        for number, (name, points) in enumerate(self.lines.items()):
            colour = _COLOURS[number % len(_COLOURS)]
            for place, point in enumerate(points):
                # Beside one another, or the bars of all lines would be one.
                at = x(place) + number * 4
                bar = f"stroke='{colour}' opacity='0.5'"
                parts.append(_line(at, y(point.least), at, y(point.most), bar))
            path = " ".join(
                f"{x(place):.1f},{y(point.middle):.1f}" for place, point in enumerate(points)
            )
            parts.append(f"<polyline points='{path}' fill='none' stroke='{colour}'/>")
            colour_of_name = f"fill='{colour}'"
            place_of_name = (_WIDTH - _RIGHT + 25, _TOP + 20 + number * 20)
            parts.append(_text(*place_of_name, name, colour_of_name))
        head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {_HEIGHT}'"
        style = "font-family='sans-serif' font-size='12'"
        return "\n".join(
            [f"{head} {style}>", "<rect width='100%' height='100%' fill='#fff'/>", *parts, "</svg>"]
        )


def _text(x: float, y: float, text: str, style: str) -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' {style}>{escape(text)}</text>"


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' {style}/>"
