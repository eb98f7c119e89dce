"""The 16 categories of cue-conflict stimuli, as classes of ImageNet (Geirhos et al. 2018)."""

from __future__ import annotations

import numpy as np

__all__ = ["CATEGORIES", "categories_of"]


def _but(first: int, last: int, *left_out: int) -> tuple[int, ...]:
    return tuple(sorted(set(range(first, last + 1)) - set(left_out)))


# WordNet decides: not every bird or dog of ImageNet belongs to a category.
CATEGORIES: dict[str, tuple[int, ...]] = {
    "airplane": (404,),
    "bear": _but(294, 297),
    "bicycle": (444, 671),
    "bird": (
        8,
        *_but(10, 24, 17, 21),
        *_but(80, 100, 84, 85, 86, 97),
        *_but(127, 145, 134),
    ),
    "boat": (472, 554, 625, 814, 914),
    "bottle": (440, 720, 737, 898, 899, 901, 907),
    "car": (436, 511, 817),
    "cat": _but(281, 286),
    "chair": (423, 559, 765, 857),
    "clock": (409, 530, 892),
    "dog": _but(152, 268, 192, 204, 227, 242, 251, 258, 260, 264),
    "elephant": (385, 386),
    "keyboard": (508, 878),
    "knife": (499,),
    "oven": (766,),
    "truck": (555, 569, 656, 675, 717, 734, 864, 867),
}
"""Classes of ImageNet, counted from 0, in each category."""


def categories_of(classes: np.ndarray) -> np.ndarray:
    """Category of ImageNet classes (...); a class without one is its number, as text."""
    names = {index: name for name, some in CATEGORIES.items() for index in some}
    flat = [names.get(int(index), str(int(index))) for index in classes.ravel()]
    return np.array(flat, dtype=object).reshape(classes.shape)
