"""Which images figures show."""

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluation.examples import varied_rows
from pipeline.rendering.people import ATTRIBUTES, sample_people


def test_the_least_shown_values_come_next() -> None:
    truth = pd.DataFrame({"a": [True, True, True, False, False], "b": [0, 0, 1, 0, 1]})
    assert varied_rows(truth, ["a", "b"], 5).tolist() == [0, 4, 1, 2, 3]
    assert varied_rows(truth, [], 3).tolist() == [0, 1, 2]


def test_every_class_is_shown_before_one_is_shown_again() -> None:
    species = pd.DataFrame({"species": ["cat", "cat", "fox", "cat", "owl", "fox"]})
    assert varied_rows(species, ["species"], 6).tolist() == [0, 2, 4, 1, 5, 3]


@pytest.mark.parametrize("seed", range(5))
def test_five_people_show_both_values_of_every_attribute(seed: int) -> None:
    people = sample_people(200, seed)
    shown = people.iloc[varied_rows(people, ATTRIBUTES, 5)]
    assert (shown[list(ATTRIBUTES)].nunique() == 2).all()


def test_no_more_rows_than_there_are() -> None:
    with pytest.raises(ValueError, match="3 rows of 2"):
        varied_rows(pd.DataFrame({"a": np.arange(2)}), ["a"], 3)
