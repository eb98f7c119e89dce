"""What stages and runs cost is gathered in one file per scale, and shown in the report."""

from pathlib import Path

import pytest

from pipeline import paths
from pipeline.cost import cost_key, measure, read_costs, record_wall_time
from pipeline.reporting.costs import cost_part
from pipeline.storage import read_json, write_json


def test_costs_are_gathered(here: Path) -> None:
    assert read_costs("smoke") == {}
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
    assert read_costs("smoke")["report"]["threads"] == 3


def test_a_complete_run_has_a_wall_time(here: Path) -> None:
    for stage, item in (("measure", "fig3"), ("draw", "fig3"), ("gone", "fig3"), ("report", "")):
        with measure(stage, item, "smoke"):
            pass
    record_wall_time("smoke", 61.234, ["measure-fig3", "draw@fig3", "report"], jobs=2)
    assert set(read_costs("smoke")) == {"measure@fig3", "draw@fig3", "report"}
    assert cost_key("train_cinn@a-b") == "train_cinn@a-b"
    wall = {"seconds": 61.23, "stages": 3, "jobs": 2}
    assert read_json(paths.costs("smoke"))["wall"] == wall
    with measure("report", "", "smoke"):
        pass
    assert read_json(paths.costs("smoke"))["wall"] == wall


def test_the_report_tells_the_sum_and_what_a_user_waits_for(tmp_path: Path) -> None:
    assert not cost_part(tmp_path, "laptop").tables
    cost = {"seconds": 1500.0, "peak_rss_mib": 900, "threads": 1, "device": "cpu"}
    costs = {"prepare@digits": cost, "train_cinn@squeezenet": cost | {"peak_rss_mib": 5000}}
    write_json(tmp_path / paths.costs("laptop"), costs)
    assert [value for _, value in cost_part(tmp_path, "laptop").facts] == ["50 min"]
    wall = {"seconds": 9000.0, "stages": 2, "jobs": 1}
    write_json(tmp_path / paths.costs("laptop"), {**costs, "wall": wall})
    part = cost_part(tmp_path, "laptop")
    assert [value for _, value in part.facts] == ["2 h 30 min, 2 stages, one at a time", "50 min"]
    assert part.tables[0].rows[-1][1:3] == ["3,000", "5,000"] and len(part.tables[0].rows) == 3
