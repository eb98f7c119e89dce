"""What stages cost is gathered in one file per scale."""

from pathlib import Path

import pytest

from pipeline import paths
from pipeline.cost import measure
from pipeline.storage import read_json


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
