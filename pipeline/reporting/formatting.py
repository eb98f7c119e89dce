"""Numbers as the report's tables and facts print them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = [
    "NOT_MEASURED",
    "duration",
    "number",
    "percent",
    "percent_and_error",
    "percent_and_interval",
    "reading_quality",
    "two_digits",
]

NOT_MEASURED = "not measured"


def duration(seconds: float) -> str:
    """A time, such as 25 s, 67 min or 4 h 10 min."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours > 1 else f"{60 * hours + minutes} min"


def number(value: float, decimals: int = 0) -> str:
    """A number with commas, such as 2,048 or 352.6."""
    return f"{value:,.{decimals}f}"


def percent(share: float | None) -> str:
    """A share, such as 93.0 %."""
    return NOT_MEASURED if share is None else f"{100 * share:.1f} %"


def percent_and_error(share: float, error: float) -> str:
    """A share with its error, such as 36.1 ± 0.4 %."""
    return f"{100 * share:.1f} ± {100 * error:.1f} %"


def percent_and_interval(share: float | None, interval: Sequence[float] | None) -> str:
    """A share with its interval, such as 93.0 % (91.0 to 95.0)."""
    if share is None or interval is None:
        return NOT_MEASURED
    low, high = (100 * end for end in interval)
    return f"{percent(share)} ({low:.1f} to {high:.1f})"


def reading_quality(found: Mapping[str, Mapping[str, float]]) -> str:
    """How well the evaluator predicts each of these, such as yaw R² 0.98, glasses 99.6 %."""
    return ", ".join(
        f"{word} {percent(how['accuracy'])}" if "accuracy" in how else f"{word} R² {how['r2']:.2f}"
        for word, how in found.items()
    )


def two_digits(number: float | None) -> str:
    """A number with two decimals, or an empty cell."""
    return "" if number is None else f"{number:.2f}"
