"""Verdicts of runs with other seeds: how they are found, kept and shown."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline import paths, repeats
from pipeline.errors import PipelineError
from pipeline.reporting.claim import Claim, Condition
from pipeline.reporting.repeats import read_repeats, repeat_of
from pipeline.reporting.verdicts import claims_table
from pipeline.storage import read_json, write_json

CLAIMS = (
    Claim("A", "Fig. 1", "It grows.", "x", (Condition(2, lambda n: (n["x"], n["interval"])),)),
    Claim("B", "Fig. 1", "Both.", "x, y", (
        Condition(1, lambda n: (n["x"], None), of="x"),
        Condition(5, lambda n: (n["y"], None), of="y", sign="<="),
    )),
)  # fmt: skip


def decided(x: float, y: float | None, width: float = 0) -> list[dict[str, Any]]:
    numbers = {"x": x, "y": y, "interval": [x - width, x + width]}
    return [claim.decide("laptop", "toy", numbers) for claim in CLAIMS]


ROWS = decided(3, 4)


def git(*arguments: str) -> str:
    command = ["git", "-c", "user.name=Tests", "-c", "user.email=tests@example.org", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def experiment(project: Path) -> str:
    """A repository whose claims are ROWS, with an experiment of seed 1; returns its name."""
    git("init", "-q")
    git("add", "-A")
    git("commit", "-q", "-m", "start")
    head, name = git("rev-parse", "HEAD"), "laptop-seed-1-tests-0"
    write_json(paths.claims("laptop"), decided(2.125, None, 0.5))
    git("add", "-A")
    git("commit", "-q", "-m", "experiment")
    git("update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", "HEAD")
    git("reset", "-q", "--hard", head)
    write_json(paths.claims("laptop"), ROWS)
    return name


def test_an_experiment_that_ran_is_not_run_again(experiment: str) -> None:
    found = repeats.run_experiment("laptop", seed=1, test_seed=0)
    assert repeat_of(found) == {
        "A": {"verdict": "undecided", "values": [2.125]},
        "B": {"verdict": "not measured", "values": [2.125, None]},
    }


def test_an_experiment_that_fails(experiment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def fail(command: list[str], **options: Any) -> Any:
        if "dvc" in command:
            ran.append(command)
            return subprocess.CompletedProcess(command, 1)
        return run(command, **options)

    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(PipelineError, match="laptop-seed-2-tests-7 failed"):
        repeats.run_experiment("laptop", seed=2, test_seed=7)
    assert ran[0][-5:] == ["-S", "seed=2", "-S", "test_seed=7", "claims"]


def test_repeats_are_collected(
    experiment: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("pipeline.reporting.report.write_report", lambda *_: None)
    repeats.main(["--seed", "0", "1"])  # 0 is the workspace's own
    (own, repeat), file = read_json(paths.repeats("laptop")), paths.repeats("laptop")
    assert (own["seed"], own["claims"]) == (0, repeat_of(ROWS))
    assert (repeat["seed"], repeat["test_seed"]) == (1, 0)
    assert read_repeats(tmp_path, "laptop", ROWS) == [repeat]
    first = {"seed": 0, "test_seed": 0}
    more = {"seed": 0, "test_seed": 4, "claims": repeat_of(decided(1, 9))}
    write_json(file, repeats.collect(file, "laptop", first, more))
    write_json(file, repeats.collect(file, "laptop", first, repeat))  # takes its own place
    assert read_json(file) == [own, more, repeat]
    # Of a workspace with other results, nothing is shown or kept.
    other = decided(3.5, 4)
    assert read_repeats(tmp_path, "laptop", other) == ()
    write_json(paths.claims("laptop"), other)
    assert repeats.collect(file, "laptop", first, repeat)[1:] == [repeat]


def test_a_dot_for_each_run() -> None:
    runs = [
        {"seed": seed, "test_seed": 0, "claims": repeat_of(decided(x, y, 0.5))}
        for seed, x, y in ((1, 2.125, 4.0), (2, 0.5, 6.25))
    ]
    table = claims_table(ROWS, [], repeats=runs)
    assert [row[-1] for row in table.rows] == ["◐ 2.12\n○ 0.5", "● 2.12 / 4\n○ 0.5 / 6.25"]
    assert table.head[-1] == "other runs" and "seed 2 with test seed 0" in table.note
    assert len(claims_table(ROWS, []).head) == len(table.head) - 1


def test_a_run_to_compare_with_is_needed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        repeats.main(["--test-seed", "1"])
    assert "run `make reproduce` first" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        repeats.main([])
