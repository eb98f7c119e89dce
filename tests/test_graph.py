"""dvc.yaml says what the code does: stages, plan, paths, for every scale."""

import functools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dvc.repo import Repo
from settings import change, change_all

from pipeline import paths
from pipeline.config.config import Config
from pipeline.config.rows import GENERATED, STYLIZED
from pipeline.errors import PipelineError
from pipeline.plan import Item, items
from pipeline.raw_data import check_raw_data, named_folders
from pipeline.validation.loading import load_config

ROOT = Path(__file__).resolve().parents[1]
SCALES = sorted(path.stem for path in (ROOT / "scales").glob("*.yaml"))
COMMANDS = {"edit_image"}
"""Scripts that DVC does not run: they are for images of a user's own."""
SCRIPTS = {path.stem for path in (ROOT / "pipeline/stages").glob("[!_]*.py")} - COMMANDS


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """`graphs(scale)`: the settings, and DVC's stages by address."""
    folder = tmp_path_factory.mktemp("graph")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "scales", folder / "scales")
    before = Path.cwd()
    os.chdir(folder)
    Repo.init(no_scm=True).close()

    @functools.cache
    def load(scale: str) -> tuple[Config, dict[str, Any]]:
        change(folder, "params.yaml", "scale", scale)
        with Repo(str(folder)) as repo:
            stages = {stage.addressing: stage for stage in repo.index.stages}
        return load_config(folder), stages

    yield load
    os.chdir(before)


def inputs(stage: Any) -> set[str]:
    """Files and folders a stage depends on, but for the files of settings."""
    return {dep.def_path for dep in stage.deps if dep not in stage.params}


def outputs(stage: Any) -> set[str]:
    return {out.def_path for out in stage.outs}


def planned(config: Config) -> dict[str, Item]:
    """Items by the name of their plan."""
    return {paths.plan(item.stage, item.name).stem: item for item in items(config)}


@pytest.mark.parametrize("scale", SCALES)
def test_there_is_a_stage_for_every_item(graphs: Any, scale: str) -> None:
    config, stages = graphs(scale)
    plan = planned(config)
    assert {name.replace("@", "-") for name in stages} == plan.keys() | {"plan"}
    for name, stage in stages.items():
        assert stage.desc
        if name == "plan":
            continue
        item = plan[name.replace("@", "-")]
        assert stage.cmd == f"python -m pipeline.stages.{item.stage} {item.name}".strip()
        own = paths.plan(item.stage, item.name)
        assert {path for path in inputs(stage) if Path(path).parent == own.parent} == {str(own)}
        assert not stage.params
    assert {item.stage for item in plan.values()} | {"plan"} == SCRIPTS


def test_the_plan_depends_on_all_code_and_settings_but_where_a_run_computes(graphs: Any) -> None:
    config, stages = graphs("laptop")
    assert inputs(stages["plan"]) == {"pipeline"}
    declared = {params.def_path: set(params.params) for params in stages["plan"].params}
    assert declared == {
        "params.yaml": set(type(config.run).model_fields) - {"device", "threads"},
        config.file: set(),  # the whole file
    }


def test_files_that_modules_read_are_dependencies(graphs: Any) -> None:
    declared = set().union(*map(inputs, graphs("laptop")[1].values())) - {"pipeline"}
    declared = {path for path in declared if path.startswith("pipeline/")}
    assert all((ROOT / path).exists() for path in declared)
    for path in (ROOT / "pipeline").rglob("*"):
        if path.is_file() and path.suffix not in {".py", ".pyc"}:
            name = path.relative_to(ROOT)
            assert declared & {name.as_posix(), *(folder.as_posix() for folder in name.parents)}


def reads_raw_data(item: Item) -> bool:
    """Whether the settings or rows of an item name folders that are not downloaded."""
    if item.stage == "draw_data" or getattr(item.settings, "download", False):
        return False  # shows what was prepared, whatever it was prepared from
    contents = [item.settings, *item.rows.datasets.values(), *item.related.values()]
    values = [value for content in contents for value in content.model_dump().values()]
    return any("/" in text for value in values for text in np.ravel(np.array(value, str)))


def test_raw_data_are_looked_for_if_a_stage_that_reads_them_runs(
    graphs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, stages = graphs("paper")
    monkeypatch.chdir(tmp_path)
    plan = planned(config)
    assert named_folders(config)
    for name in stages:
        if name != "plan" and reads_raw_data(plan[name.replace("@", "-")]):
            with pytest.raises(PipelineError, match="are not there"):
                check_raw_data(config, [name])
        else:
            check_raw_data(config, [name])


@pytest.mark.parametrize("scale", SCALES)
def test_paths_are_those_of_the_code(graphs: Any, scale: str) -> None:
    config, stages = graphs(scale)
    known = {paths.claims(scale), paths.evaluations("inspect"), paths.generator()}
    known |= {paths.dequantizer(), paths.plan("x").parent, Path("pipeline")}
    known |= {paths.inspection() / name for name in ("README.md", "figures", "metrics.json")}
    for dataset in [*config.run.datasets, GENERATED, STYLIZED]:
        of_data = (paths.prepared, paths.posteriors, paths.autoencoder, paths.evaluator)
        known |= {path(dataset) for path in (*of_data, paths.semantic, paths.prior, paths.stargan)}
        known.add(paths.sheets(scale, dataset))
    known |= {paths.network(name) for name in config.run.networks}
    known |= {path(key) for key in config.run.layers for path in (paths.features, paths.cinn)}
    known |= {paths.baseline(name) for name in config.run.baselines}
    for name in config.run.experiments:
        known |= {paths.evaluations(name), paths.metrics(scale, name), paths.figures(scale, name)}
    in_report = (paths.metrics, paths.figures, paths.sheets)
    known |= {path(scale, "x").parent for path in in_report}  # the report shows all that is there
    for item in items(config):
        known |= {paths.plan(item.stage, item.name), paths.training(scale, item.stage, item.name)}
        known.add(paths.training_metrics(scale, item.stage, item.name))
    parted = [path for path in known if path.parts[:1] == ("data",)]
    known |= {path / name for path in parted for name in ("learning", "config.json")}
    for name, stage in stages.items():
        found = {Path(path) for path in inputs(stage) | outputs(stage)}
        assert {path for path in found if path.parts[0] != "pipeline"} <= known, name


@pytest.mark.parametrize("scale", SCALES)
def test_what_a_stage_reads_another_one_makes(graphs: Any, scale: str) -> None:
    _, stages = graphs(scale)
    made = {Path(path) for stage in stages.values() for path in outputs(stage)}
    for name, stage in stages.items():
        data = {Path(path) for path in inputs(stage) if not path.startswith("pipeline")}
        for path in data:  # an output, a part of one, or a folder of several
            assert any(path in {out, *out.parents} or out in path.parents for out in made), name
        assert data or name == "plan"
        assert not data & {Path(path) for path in outputs(stage)}


def test_scales_differ_only_in_reports(graphs: Any) -> None:
    """Data and models lie at one place: DVC restores those of the scale that is asked for."""
    _, laptop = graphs("laptop")
    for scale in SCALES:
        _, stages = graphs(scale)
        assert stages.keys() == laptop.keys()
        for name, stage in stages.items():
            for kind in (inputs, outputs):
                expected = {path.replace("/laptop/", f"/{scale}/") for path in kind(laptop[name])}
                assert kind(stage) == expected


@pytest.mark.parametrize("scale", SCALES)
def test_what_is_trained_does_not_depend_on_test_images(graphs: Any, scale: str) -> None:
    """So another `test_seed` trains nothing again."""
    _, stages = graphs(scale)
    for name, stage in stages.items():
        if name.startswith("train_"):
            data = [Path(path) for path in inputs(stage) if path.startswith("data/")]
            parts = {path.name for path in data if path.parts[1] != "plan"}
            assert parts <= {"learning", "config.json"}, name


ONCE = ("prepare", "train_autoencoder", "encode", "train_semantic")  # per data set


@pytest.mark.parametrize(
    ("network", "layer", "dataset"),
    [("alexnet", "fc7", "animals"), ("squeezenet", "fire8", "digits")],
)
def test_inspecting_a_layer_needs_nothing_of_others(
    project: Path, network: str, layer: str, dataset: str
) -> None:
    """What `dvc repro inspect` would run where nothing has been made yet."""
    shutil.copy(ROOT / "dvc.yaml", project)
    (project / "pipeline").symlink_to(ROOT / "pipeline")
    change_all(project, "params.yaml", {"network": network, "layer": layer})
    Repo.init(no_scm=True).close()
    with Repo() as repo:
        stages = repo.reproduce("inspect", dry=True, force=True)
    assert {stage.addressing for stage in stages} == {
        "plan",
        "inspect",
        f"train_network@{network}",
        f"extract@{network}-{layer}",
        f"train_cinn@{network}-{layer}",
        *(f"{stage}@{dataset}" for stage in ONCE),
    }
