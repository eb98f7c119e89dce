"""The sheet of factors: every row changes one thing."""

import numpy as np
import pytest

from pipeline.rendering.animals import RANGES
from pipeline.rendering.sheets import factor_rows


@pytest.fixture(scope="module")
def rows() -> dict[str, np.ndarray]:
    return factor_rows(32, seed=0, columns=4)


def test_a_row_for_every_factor_and_variant(rows: dict[str, np.ndarray]) -> None:
    swept = [name for name in RANGES if name != "background_angle"]  # changes with the background
    assert list(rows) == [*swept, "background", "coat (stylized)", "texture", "sketch"]
    assert all(row.shape == (4, 32, 32, 3) and row.dtype == np.uint8 for row in rows.values())


def test_every_image_of_a_row_differs_from_the_others(rows: dict[str, np.ndarray]) -> None:
    for name, row in rows.items():
        assert len(np.unique(row.reshape(4, -1), axis=0)) == 4, name


def test_a_row_changes_what_it_says(rows: dict[str, np.ndarray]) -> None:
    """Light and coat leave the background alone, and the background leaves the head alone."""
    corner = (slice(None), slice(None, 3), slice(None, 3))
    middle = (slice(None), slice(14, 20), slice(14, 20))
    for name, row in rows.items():
        spread = row.astype(int).std(axis=0)
        if name.startswith(("light", "ambient", "coat")):
            assert spread[corner[1:]].max() == 0, name
            assert spread.max() > 0
    assert rows["background"].astype(int).std(axis=0)[middle[1:]].max() == 0
    assert rows["background"].astype(int).std(axis=0)[corner[1:]].min() > 0


def test_the_same_seed_gives_the_same_sheet(rows: dict[str, np.ndarray]) -> None:
    again = factor_rows(32, seed=0, columns=4)
    assert all(np.array_equal(rows[name], again[name]) for name in rows)
