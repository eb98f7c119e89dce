"""Copies of nested numbers with a change."""

import copy
from typing import Any


def without(numbers: Any, *keys: Any) -> Any:
    """A copy that lacks the last of `keys`."""
    inner = changed = copy.deepcopy(numbers)
    for key in keys[:-1]:
        inner = inner[key]
    del inner[keys[-1]]
    return changed


def replaced(numbers: Any, value: Any, *keys: Any) -> Any:
    """A copy with another value at `keys`."""
    inner = changed = copy.deepcopy(numbers)
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return changed
