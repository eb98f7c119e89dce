"""What stages cost is gathered in one file per scale."""

from pathlib import Path

import pytest

from pipeline import paths
from pipeline.cost import measure
from pipeline.reporting.parts.cost import cost_part
from pipeline.storage import read_json, write_json


def test_costs_are_gathered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with measure("train_cinn", "squeezenet", "smoke", threads=2, device="cpu"):
        pass
    with measure("report", "", "smoke"):
        pass
    with pytest.raises(RuntimeError), measure("prepare", "digits", "smoke"):
        raise RuntimeError
    costs = read_json(paths.costs("smoke"))
    assert set(costs) == {"train_cinn@squeezenet", "report"}
    assert set(costs["report"]) == {"seconds", "peak_rss_mib", "threads", "device"}
    assert costs["train_cinn@squeezenet"]["threads"] == 2
    assert 10 < costs["report"]["peak_rss_mib"] < 100_000
    with measure("report", "", "smoke", threads=3):  # replaces the former entry
        pass
    assert read_json(paths.costs("smoke"))["report"]["threads"] == 3


def test_the_report_says_that_stages_run_at_the_same_time(tmp_path: Path) -> None:
    cost = {"seconds": 1500.0, "peak_rss_mib": 900, "threads": 1, "device": "cpu"}
    costs = {"prepare@digits": cost, "train_cinn@squeezenet": cost | {"peak_rss_mib": 5000}}
    write_json(tmp_path / paths.costs("laptop"), costs)
    part = cost_part(tmp_path, "laptop")
    ((name, value),) = part.facts
    assert name.endswith("added up") and value.startswith("50 min") and "two at a time" in value
    assert part.tables[0].rows[-1][1:3] == ["3,000", "5,000"]
