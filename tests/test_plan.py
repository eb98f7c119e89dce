"""The stage plan: what a change makes out of date, and which code a stage runs."""

import ast
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from settings import change, change_all

from pipeline import modules, paths
from pipeline.modules import PLUMBING, hash_modules, imported_modules, module_hash
from pipeline.plan import items, write_plan
from pipeline.task import load_task
from pipeline.validation.loading import load_config

ROOT = Path(__file__).resolve().parents[1]
SMOKE = "scales/smoke.yaml"

Plan = dict[str, Any]


def plan(project: Path) -> Plan:
    """What the stage would write, by name."""
    forget_hashes()
    config = load_config(project)
    return {
        paths.plan(item.stage, item.name).stem: item.content(config.run) for item in items(config)
    }


def forget_hashes() -> None:
    """They are kept by path, relative to the working folder."""
    modules.module_hash.cache_clear()
    modules.module_imports.cache_clear()


def copy(folder: Path) -> Path:
    """The settings and the code that is hashed, at scale smoke."""
    for name in ("pipeline", "scales"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "params.yaml", folder)
    change(folder, "params.yaml", "scale", "smoke")
    return folder


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(copy(tmp_path))
    yield tmp_path
    forget_hashes()


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """The plan of an unchanged project."""
    with pytest.MonkeyPatch.context() as patch:
        folder = copy(tmp_path_factory.mktemp("before"))
        patch.chdir(folder)
        return plan(folder)


@pytest.fixture
def changed(before: Plan, project: Path) -> Callable[[], set[str]]:
    """`changed()` is what has changed of the items that were there."""

    def compare() -> set[str]:
        after = plan(project)
        assert before.keys() <= after.keys()
        return {name for name in before if before[name] != after[name]}

    return compare


def of(stage: str, *items: str) -> set[str]:
    return {f"{stage}-{item}" for item in items}


LAYER = {"network": "alexnet", "dataset": "animals", "module": "features.4"}
ALEXNET = ("alexnet-conv5", "alexnet-fc6", "alexnet-fc7", "alexnet-fc8", "alexnet-output")


@pytest.mark.parametrize(
    ("file", "changes", "expected"),
    [
        (SMOKE, {"train_cinn.alexnet-fc7.steps": 9}, of("train_cinn", "alexnet-fc7")),
        (SMOKE, {"experiments.fig4.inputs": 9}, of("measure", "fig4")),
        (SMOKE, {"extract.alexnet-fc7.batch_size": 9}, of("extract", "alexnet-fc7")),
        (SMOKE, {"prepare.faces.test": 61}, of("prepare", "faces") | of("draw_data", "faces")),
        (SMOKE, {"inspect.rows": 3}, {"inspect"}),
        (
            SMOKE,
            {"train_autoencoder.animals.steps": 21},
            of("train_autoencoder", "animals")
            | of("train_baseline", *(f"dosovitskiy-{name[8:]}" for name in ALEXNET)),
        ),
        ("params.yaml", {"network": "squeezenet", "layer": "fire8"}, {"inspect"}),
        ("params.yaml", {"threads": 2, "device": "cpu"}, set()),
    ],
)
def test_a_setting_is_that_of_one_item(
    changed: Any, project: Path, file: str, changes: dict[str, Any], expected: set[str]
) -> None:
    change_all(project, file, changes)
    assert changed() == expected


@pytest.mark.parametrize(("key", "value"), [("seed", 1), ("scale", "laptop")])
def test_seed_and_scale_are_part_of_everything(
    before: Plan, changed: Any, project: Path, key: str, value: Any
) -> None:
    change(project, "params.yaml", key, value)
    assert changed() == before.keys()


def test_the_seed_of_test_images_is_part_of_what_draws_them(
    before: Plan, changed: Any, project: Path
) -> None:
    change(project, "params.yaml", "test_seed", 1)
    drawing = {name for name in before if name.split("-")[0] in ("prepare", "generate")}
    assert changed() == drawing


def test_a_default_is_that_of_the_items_without_their_own(changed: Any, project: Path) -> None:
    change(project, SMOKE, "train_evaluator.default.noise", 0.2)
    change(project, SMOKE, "train_evaluator.faces.noise", 0.1)  # as the field's own default
    assert changed() == of("train_evaluator", "animals")


@pytest.mark.parametrize(
    ("rows", "new", "others"),
    [
        (
            {"layers.alexnet-conv2": LAYER},
            of("extract", "alexnet-conv2") | of("train_cinn", "alexnet-conv2"),
            set(),
        ),
        (
            {
                "networks.mine": {"dataset": "animals", "build": "torchvision:resnet18"},
                "layers.mine-fc": {"network": "mine", "dataset": "animals", "module": "avgpool"},
            },
            of("train_network", "mine") | of("extract", "mine-fc") | of("train_cinn", "mine-fc"),
            set(),
        ),
        (
            {"datasets.mine": {"format": "folder", "images": "mine", "autoencoder_data": "mine"}},
            {
                f"{stage}-mine"
                for stage in (
                    "prepare", "draw_data", "train_autoencoder", "encode", "train_semantic",
                    "train_prior",
                )
            },
            {"report"},
        ),
    ],
    ids=["layer", "network", "data set"],
)  # fmt: skip
def test_a_new_row_changes_nothing_that_was_there(
    before: Plan,
    changed: Any,
    project: Path,
    rows: dict[str, Any],
    new: set[str],
    others: set[str],
) -> None:
    change_all(project, "params.yaml", rows)
    assert plan(project).keys() - before.keys() == new
    assert changed() <= others


def test_the_plan_is_written_and_read(project: Path) -> None:
    config = load_config(project)
    (project / "data/plan").mkdir(parents=True)
    (project / "data/plan/train_cinn-gone.json").touch()  # of a row that there was
    write_plan(config)
    for item in items(config):
        task = load_task(item.stage, item.name, type(item.settings), 1)
        assert (task.settings, task.rows) == (item.settings, item.rows)
        assert (task.scale, task.seed) == ("smoke", config.run.seed)
    assert not (project / "data/plan/train_cinn-gone.json").exists()


class OtherWords(ast.NodeTransformer):
    """Replaces docstrings and the words of errors; `unparse` then loses comments and layout."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return ast.Expr(ast.Constant("Other words."))
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        for part in ast.walk(node):
            for name, value in ast.iter_fields(part):
                if isinstance(value, list):
                    setattr(part, name, [self.reworded(entry) for entry in value])
                else:
                    setattr(part, name, self.reworded(value))
        return node

    @staticmethod
    def reworded(node: Any) -> Any:
        text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        return ast.Constant("other words") if text or isinstance(node, ast.JoinedStr) else node


def rewrite(path: Path, change: ast.NodeTransformer) -> None:
    tree = change.visit(ast.parse(path.read_text()))
    path.write_text(f"# A comment.\n\n\n{ast.unparse(ast.fix_missing_locations(tree))}\n")


def test_words_and_layout_are_no_code(changed: Any, project: Path) -> None:
    for path in (project / "pipeline").rglob("*.py"):
        rewrite(path, OtherWords())
        assert path.read_bytes() != (ROOT / path.relative_to(project)).read_bytes()
    assert changed() == set()


def test_a_caption_is_drawn_and_reported_again(changed: Any, project: Path) -> None:
    class Caption(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.Call:
            if isinstance(node.func, ast.Name) and node.func.id == "Image":
                node.args[2] = ast.Constant("Another caption.")
            return node

    report = project / "pipeline/experiments/fig4/report.py"
    rewrite(report, Caption())
    assert "Another caption." in report.read_text()
    assert changed() == {"draw-fig4", "claims", "report"}


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("experiments/fig4/measure.py", {"measure-fig4"}),
        ("experiments/fig4/draw.py", {"draw-fig4"}),
        (
            "networks/alexnet.py",
            {"train_network-alexnet", "measure-calibration", "measure-table1", "inspect"}
            | of("extract", *ALEXNET),
        ),
        (
            "networks/resnet50_stylized.py",
            {
                "train_network-resnet50_stylized",
                "extract-resnet50_stylized-fc",
                "measure-fig6",
                "measure-calibration",
            },
        ),
        ("datasets/digits.py", {"prepare-digits", "draw_data-digits"}),
        ("storage.py", set()),
        ("config/settings.py", set()),
        ("plan.py", set()),
    ],
)
def test_code_is_that_of_the_items_that_run_it(
    changed: Any, project: Path, module: str, expected: set[str]
) -> None:
    with (project / "pipeline" / module).open("a") as file:
        file.write("CHANGED = 1\n")
    assert changed() - {"report"} == expected


def test_every_stage_runs_its_script_and_no_plumbing(before: Plan) -> None:
    assert all((ROOT / name).exists() for name in PLUMBING)
    for name, content in before.items():
        assert f"pipeline/stages/{name.partition('-')[0]}.py" in content["modules"]
        assert not [module for module in content["modules"] if module.startswith(PLUMBING)]
        # Seeds, precision and threads decide results.
        assert "pipeline/runtime/device.py" in content["modules"]
    assert "pipeline/models/inn.py" in before["train_cinn-alexnet-fc7"]["modules"]


PACKAGE = {
    "__init__": "",
    "a": "from pipeline.sub.b import x\nimport pipeline.sub.other.d as d\n",
    "sub/__init__": "",
    "sub/b": "def f():\n    from pipeline import c\n",
    "sub/other/__init__": "from pipeline.e import y\n",
    "sub/other/d": "import numpy\n",
    "c": "import typing\n"
    "if typing.TYPE_CHECKING:\n    import pipeline.unused\nelse:\n    import pipeline.g\n",
    "e": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pipeline.unused import z\n",
    "g": "import pipeline.a\n",
    "unused": "",
}


def test_modules_are_those_that_are_imported_at_run_time(here: Path) -> None:
    for name, text in PACKAGE.items():
        path = Path(f"pipeline/{name}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    expected = {f"pipeline/{name}.py" for name in PACKAGE if name != "unused"}
    assert {path.as_posix() for path in imported_modules(Path("pipeline/a.py"))} == expected
    assert set(hash_modules([Path("pipeline/a.py")])) == expected


SNIPPET = '''"""Words."""

import math as m

numbers: dict[str, int] = {**{}, "a": 1}

@m.cache
class Model(object, metaclass=type):
    """Words."""

    def f(self, x=1, /, *rest, key: float = 1e-3, **more) -> None:
        """Words."""
        if (n := len(rest)) > 1 and not x:
            return None
        try:
            print(f"{x!r:>{n}} {key=}", *[y for y in rest if y], sep=b"")
        except (KeyError, OSError) as error:
            raise ValueError(f"words {error}" "and words") from error
        return lambda: (yield ...)
'''


def test_a_hash_is_that_of_every_version_of_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later versions add fields, which are empty for what earlier ones know."""
    path = tmp_path / "module.py"
    later = tmp_path / "later.py"
    path.write_text(SNIPPET)
    later.write_text(f"{SNIPPET}# another file\n")
    parse = ast.parse

    def parse_later(source: bytes) -> ast.AST:
        tree = parse(source)
        for node in ast.walk(tree):
            node._fields = (*node._fields, "later", "others")  # type: ignore[misc]
            node.later, node.others = None, []  # type: ignore[attr-defined]
        return tree

    # Another hash would make every stage of every user out of date.
    assert module_hash(path).startswith("e9025ec07a5c188a")
    with monkeypatch.context() as patch:
        patch.setattr(ast, "parse", parse_later)
        assert module_hash(later) == module_hash(path)
