"""The sentences that say what is wrong with a setting: file, key, value and what it must be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.errors import PipelineError

__all__ = ["bad", "check_bounds", "dotted", "nearest", "unknown"]


def dotted(*where: str) -> str:
    """A key as users write it, such as `train_cinn.alexnet-fc7.steps`."""
    return ".".join(where) or "the file"


def bad(file: str, where: tuple[str, ...], value: Any, allowed: str) -> PipelineError:
    """The value of a key is not what it must be; `allowed` follows "must be"."""
    return PipelineError(f"{file}: {dotted(*where)} is {_show(value)}; it must be {allowed}.")


def unknown(
    file: str, where: tuple[str, ...], value: str | None, known: Iterable[str], kind: str
) -> PipelineError:
    """The value of a key, or the key itself if `value` is None, is none of the known ones."""
    known = [str(item) for item in known]
    subject = dotted(*where) if value is None else f"{dotted(*where)} {value!r}"
    hint = nearest(where[-1] if value is None else value, known)
    return PipelineError(
        f"{file}: {subject} is not a known {kind}{hint}; choose from {', '.join(known) or 'none'}."
    )


def nearest(word: str, known: Iterable[str]) -> str:
    """` (did you mean ...?)`, or nothing if no known word is similar."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.7)
    return f" (did you mean {near[0]}?)" if near else ""


def check_bounds(
    file: str, where: tuple[str, ...], section: object, bounds: Mapping[str, tuple[int, str]]
) -> None:
    """Raise PipelineError if a number of a section is above its bound, which comes with a name."""
    for name, (bound, what) in bounds.items():
        value = getattr(section, name)
        if value > bound:
            raise bad(file, (*where, name), value, f"at most {bound}, {what}")


def _show(value: Any) -> str:
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else None
    text = text or (repr(value) if isinstance(value, str) else str(value))
    return text if len(text) <= 60 else text[:57] + "..."
