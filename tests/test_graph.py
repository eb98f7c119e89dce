"""dvc.yaml says what the code does: modules, settings, paths, items, for every scale."""

import dataclasses
import functools
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.imports import PLUMBING, stage_modules
from pipeline.params import Params, load_params
from pipeline.raw_data import check_raw_data, named_folders
from pipeline.reporting.captions import FIGURES
from pipeline.stages.code import code
from pipeline.stages.rows import rows
from pipeline.storage import read_json

ROOT = Path(__file__).resolve().parents[1]
SCALES = sorted(path.stem for path in (ROOT / "scales").glob("*.yaml"))
FAMILIES = list(YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"])
COMMANDS = {"edit_image"}
"""Scripts that DVC does not run: they are for images of a user's own."""
SCRIPTS = {
    path.stem: path
    for path in (ROOT / "pipeline/stages").glob("*.py")
    if path.stem not in {"__init__", *COMMANDS}
}


TABLES = {"networks", "features", "layers", "baselines"}
"""Parts of params.yaml of which data/rows/<dataset>.json holds what is about a data set."""


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """`graphs(scale)`: the settings, and dvc's stages by address."""
    folder = tmp_path_factory.mktemp("graph")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "scales", folder / "scales")
    text = (folder / "params.yaml").read_text()
    before = Path.cwd()
    os.chdir(folder)
    Repo.init(no_scm=True)

    @functools.cache
    def load(scale: str) -> tuple[Params, dict[str, Any]]:
        changed, count = re.subn(r"(?m)^scale: \w+$", f"scale: {scale}", text)
        assert count == 1
        (folder / "params.yaml").write_text(changed)
        with Repo(str(folder)) as repo:
            stages = {stage.addressing: stage for stage in repo.index.stages}
        return load_params(folder), stages

    yield load
    os.chdir(before)


def of_family(stages: dict[str, Any], family: str) -> dict[str, Any]:
    return {name: stage for name, stage in stages.items() if name.split("@")[0] == family}


def inputs(stage: Any) -> set[str]:
    """Files and folders a stage depends on, but for the files of settings."""
    return {dep.def_path for dep in stage.deps if dep not in stage.params}


def outputs(stage: Any) -> set[str]:
    return {out.def_path for out in stage.outs}


def read_keys(script: Path) -> set[str]:
    """Sections of the scale, and parts of params.yaml, that a script and its modules read."""
    files = [script, *(ROOT / module for module in stage_modules(script.relative_to(ROOT)))]
    text = "".join(file.read_text() for file in files)
    sections = re.findall(r"(?<! in )params\.settings\.(\w+)\b", text)  # not only their names
    keys = r"params\.(seed|networks?|datasets|features|layers?|baselines)\b"
    return {*sections, *re.findall(keys, text)}


def item_section(script: Path) -> str | None:
    """The section whose keys are the items a script is run for."""
    (call,) = re.findall(r"run_stage\((.*)\)", script.read_text())
    if given := re.search(r"items=(None|\"(\w+)\")", call):
        return given[2]
    return script.stem


def test_there_is_a_stage_for_every_script() -> None:
    assert set(FAMILIES) == set(SCRIPTS)


@pytest.mark.parametrize("scale", SCALES)
def test_a_stage_runs_the_script_of_its_name_for_every_item(graphs: Any, scale: str) -> None:
    params, stages = graphs(scale)
    for family in FAMILIES:
        section = item_section(SCRIPTS[family])
        expected = (
            {family: f"python -m pipeline.stages.{family}"}
            if section is None
            else {
                f"{family}@{item}": f"python -m pipeline.stages.{family} {item}"
                for item in getattr(params.settings, section)
            }
        )
        assert {name: s.cmd for name, s in of_family(stages, family).items()} == expected


def figures_in(words: str) -> set[str]:
    """The figures that are named, such as S4 to S6 of `Figs. 2, S4 to S6`, and Tab. 1."""
    found = set(re.findall(r"Tab\. 1\b", words))
    for names in re.findall(r"Figs?\. (S?\d+(?:(?:, | and | to )S?\d+)*)", words):
        for supplement, first, last in re.findall(r"(S?)(\d+)(?: to S?(\d+))?", names):
            numbers = range(int(first), int(last or first) + 1)
            found |= {f"{supplement}{number}" for number in numbers}
    return found


def figures_of(evaluation: str) -> set[str]:
    """What an evaluation is drawn as, by the titles in the report."""
    table = {"Tab. 1"} if evaluation == "table1" else set()
    return table.union(*(figures_in(image.title) for image in FIGURES[evaluation]))


def stages_served(stages: dict[str, Any], family: str) -> set[str]:
    """The stages of a family, and all that depend on them."""
    found = set(of_family(stages, family))
    size = 0
    while size < len(found):
        size = len(found)
        made = [Path(path) for name in found for path in outputs(stages[name])]
        for name, stage in stages.items():
            needed = [Path(path) for path in inputs(stage)]
            if any(a == b or a in b.parents or b in a.parents for a in made for b in needed):
                found.add(name)
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_a_stage_says_what_it_is_for(graphs: Any, family: str) -> None:
    """It names all figures that depend on one of its items, or else the report."""
    stages = graphs("laptop")[1]
    served = [name.partition("@")[2] for name in stages_served(stages, family) if "plot@" in name]
    for stage in of_family(stages, family).values():
        if named := figures_in(stage.desc or ""):
            assert named == set().union(*map(figures_of, served))
        else:
            assert re.search("report|claims", stage.desc or "")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_stage_depends_on_the_modules_it_imports(graphs: Any, family: str) -> None:
    expected = {"pipeline"} if family == "code" else {f"data/code/{family}.json"}
    for stage in of_family(graphs("laptop")[1], family).values():
        declared = {path for path in inputs(stage) if path.startswith(("pipeline", "data/code"))}
        assert {p for p in declared if Path(p).suffix not in {".css", ".mplstyle"}} == expected


def test_the_modules_of_a_stage_are_named_by_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "pipeline", tmp_path / "pipeline")
    for name in ("params.yaml", "scales"):
        (shutil.copytree if name == "scales" else shutil.copy)(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)

    def named() -> dict[str, dict[str, str]]:
        code(load_params())
        return {path.stem: read_json(path) for path in paths.code().iterdir()}

    before = named()
    assert set(before) == set(SCRIPTS) - {"code"} | COMMANDS
    assert "pipeline/models/inn.py" in before["train_cinn"]
    assert "pipeline/models/inn.py" not in before["prepare"]
    for modules in before.values():
        assert not PLUMBING & set(modules)
        assert "pipeline/runtime.py" in modules  # seeds, precision and threads decide results
    with (tmp_path / "pipeline/models/inn.py").open("a") as file:
        file.write("# changed\n")
    after = named()
    changed = {stage for stage, modules in before.items() if modules != after[stage]}
    assert changed == {
        stage for stage, modules in before.items() if "pipeline/models/inn.py" in modules
    }


def test_plumbing_names_modules_that_exist() -> None:
    assert all((ROOT / module).is_file() for module in PLUMBING)


def test_the_rows_of_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer added to one data set changes nothing of another; the order of layers counts."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "scales", tmp_path / "scales")
    monkeypatch.chdir(tmp_path)
    params = load_params()

    def written(layers: list[str]) -> dict[str, bytes]:
        rows(dataclasses.replace(params, layers={name: params.layers[name] for name in layers}))
        return {path.stem: path.read_bytes() for path in paths.rows().iterdir()}

    names = list(params.layers)
    before = written(names)
    assert set(before) == {row.dataset for row in params.features.values()}
    content = read_json(paths.rows() / "animals.json")
    assert [row["name"] for row in content["layers"]] == [
        name for name, row in params.layers.items() if row.dataset == "animals"
    ]
    assert {row["name"] for row in content["networks"]} == {"alexnet", "resnet101"}
    fewer, turned = written(names[:-1]), written(names[::-1])
    assert {name for name in before if before[name] != fewer[name]} == {"generated"}
    assert before["animals"] != turned["animals"] and before["digits"] == turned["digits"]


def test_files_that_modules_read_are_dependencies(graphs: Any) -> None:
    declared = set().union(*(inputs(stage) for stage in graphs("laptop")[1].values()))
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "pipeline").rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }
    assert files <= declared
    for path in declared:
        assert not path.startswith("pipeline/") or (ROOT / path).is_file()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_stage_declares_the_settings_it_reads(
    graphs: Any, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    params, stages = graphs("laptop")
    monkeypatch.chdir(ROOT)
    expected = read_keys(SCRIPTS[family])
    for name, stage in of_family(stages, family).items():
        item = name.partition("@")[2]
        by_rows = {path for path in inputs(stage) if Path(path).parent == paths.rows()}
        row = {**params.layers, **params.baselines}.get(item)
        entries = {item, row.dataset} if row else {item}
        declared = {
            (file.def_path, key) for file in stage.params for key in file.params if key != "scale"
        }
        found = {key.split(".")[0] for _, key in declared}
        assert found | (TABLES & expected if by_rows else set()) == expected
        assert not (by_rows and found & TABLES)
        for file, key in declared:
            section, _, entry = key.partition(".")
            in_scale = hasattr(params.settings, section)
            assert file == ("scales/laptop.yaml" if in_scale else "params.yaml")
            assert not in_scale or entry in entries  # not a whole section, nor another item's


def test_raw_data_are_looked_for_if_a_stage_that_reads_them_runs(
    graphs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params, stages = graphs("paper")
    monkeypatch.chdir(tmp_path)
    sections = {".".join(named.where[:-1]) for named in named_folders(params.settings)}
    sections -= {"prepare.digits"}  # MNIST is downloaded
    for name, stage in stages.items():
        declared = {key for file in stage.params for key in file.params}
        # plot_data shows what was prepared, whatever it was prepared from.
        if declared & sections and not name.startswith("plot_data@"):
            with pytest.raises(PipelineError, match="are not there"):
                check_raw_data(params, [name])
        else:
            check_raw_data(params, [name])


@pytest.mark.parametrize("scale", SCALES)
def test_paths_are_those_of_the_code(graphs: Any, scale: str) -> None:
    params, stages = graphs(scale)
    settings = params.settings
    known = {paths.claims(scale), paths.choice(), paths.code(), paths.evaluations("inspect")}
    known |= {paths.inspection() / name for name in ("README.md", "figures", "metrics.json")}
    for dataset in settings.prepare:
        known |= {f(dataset) for f in (paths.prepared, paths.posteriors)}
        known |= {f(dataset) for f in (paths.autoencoder, paths.evaluator, paths.semantic)}
        known.add(paths.stargan(dataset))
        known.add(paths.figures(scale, dataset))
    generated = (paths.prepared, paths.posteriors, paths.semantic, paths.autoencoder)
    known |= {f("generated") for f in generated} | {paths.generator(), paths.dequantizer()}
    known |= {paths.rows(), *(paths.rows() / f"{f.dataset}.json" for f in params.features.values())}
    known |= {paths.network(network) for network in params.networks}
    known |= {f(name) for name in params.features for f in (paths.features, paths.fingerprint)}
    for name, layer in params.layers.items():
        known |= {f(layer.features, name) for f in (paths.representations, paths.cinn)}
        known.add(paths.cinn(layer.features, name).parent)
    for name, baseline in params.baselines.items():
        known |= {paths.baseline(baseline.network, name)}
        known.add(paths.baseline(baseline.network, name).parent)
    for figure in settings.evaluate:
        known |= {paths.evaluations(figure), paths.metrics(scale, figure)}
        known.add(paths.figures(scale, figure))
    for name in stages:
        stage, _, item = name.partition("@")
        known |= {paths.training(scale, stage, item), paths.metrics(scale, f"{stage}-{item}")}
    for name, stage in stages.items():
        for text in outputs(stage) | inputs(stage):
            path = Path(text)
            code = path.parts[0] == "pipeline" or path.parent == paths.code()
            assert path in known or code, name


@pytest.mark.parametrize("scale", SCALES)
def test_what_a_stage_reads_another_one_makes(graphs: Any, scale: str) -> None:
    _, stages = graphs(scale)
    made = set().union(*(outputs(stage) for stage in stages.values()))
    for name, stage in stages.items():
        data = {path for path in inputs(stage) if Path(path).parts[0] != "pipeline"}
        for path in data:  # an output, a part of one, or a folder of several
            assert any(
                Path(path) in {Path(out), *Path(out).parents} or Path(out) in Path(path).parents
                for out in made
            ), name
        assert data or name == "code"
        assert not data & outputs(stage)


def test_scales_differ_only_in_reports(graphs: Any) -> None:
    """Data and models lie at one place: dvc restores those of the scale that is asked for."""
    _, laptop = graphs("laptop")
    for scale in SCALES:
        _, stages = graphs(scale)
        assert stages.keys() == laptop.keys()
        for name, stage in stages.items():
            for kind in (inputs, outputs):
                expected = {path.replace("/laptop/", f"/{scale}/") for path in kind(laptop[name])}
                assert kind(stage) == expected


ONCE = ["prepare", "train_autoencoder", "encode", "train_semantic"]  # per data set


@pytest.mark.parametrize(
    ("network", "layer", "dataset"),
    [
        ("alexnet", "fc7", "animals"),
        ("alexnet", "conv5", "animals"),
        ("squeezenet", "fire8", "digits"),
    ],
)
def test_inspecting_a_layer_needs_nothing_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: str, layer: str, dataset: str
) -> None:
    """What `dvc repro inspect` would run where nothing has been made yet."""
    for name in ("scales", "pipeline"):
        (tmp_path / name).symlink_to(ROOT / name)
    text = (ROOT / "params.yaml").read_text()
    for key, value in (("network", network), ("layer", layer)):
        text, count = re.subn(rf"(?m)^{key}: \w+$", f"{key}: {value}", text)
        assert count == 1
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    (tmp_path / "params.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    Repo.init(no_scm=True).close()
    with Repo() as repo:
        stages = repo.reproduce("inspect", dry=True, force=True)
    assert {stage.addressing for stage in stages} == {
        "choose",
        "code",
        "inspect",
        "rows",
        f"fingerprint@{network}",
        f"train_network@{network}",
        f"extract@{network}",
        f"train_cinn@{network}-{layer}",
        *(f"{stage}@{dataset}" for stage in ONCE),
    }
