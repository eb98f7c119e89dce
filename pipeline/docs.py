"""Documents with numbers: docs/*.md and blocks of README.md, filled in from reports/laptop.

    python -m pipeline.docs            writes them
    python -m pipeline.docs --check    exits with code 1 and names those that are out of date

A template docs/templates/<name>.md.j2 becomes docs/<name>.md. A template
docs/templates/readme/<block>.md.j2 becomes what README.md has between `<!-- begin <block> -->` and
`<!-- end <block> -->`. Templates see

    metrics    numbers of experiments and trainings: metrics["fig3"], metrics["train_cinn-..."]
    claims     rows of claims.json, by id: claims["T1.a"]
    cost       entries of cost.json, by stage: cost["measure@fig3"]
    wall       its entry about the last complete run, or None: wall.seconds, wall.stages, wall.jobs
    stages     the stages of dvc.yaml: name, desc, reads and makes, with <words> for what varies
    arrows     pairs of stages, of which the second needs the first, directly or by no other way
    experiments  name, dataset and the titles of the figures of each
    images     what scales/<scale>.yaml asks for of each data set, all splits: images["gpu"].faces

and the filters of `pipeline.reporting.render`.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline import experiments, paths
from pipeline.cli import report_errors
from pipeline.cost import WALL
from pipeline.datasets.splits import SPLITS, TRAIN_T
from pipeline.errors import PipelineError
from pipeline.reporting.render import render
from pipeline.storage import read_json, write_text

__all__ = ["documents", "stale"]

SCALE = "laptop"
TEMPLATES = Path("docs/templates")
README = Path("README.md")
PLACEHOLDER = re.compile(r"\$\{([^}]+)\}")
BLOCK = re.compile(r"(?ms)^<!-- begin ([\w-]+) -->\n(.*?)^<!-- end \1 -->$")


def documents(root: Path) -> dict[Path, str]:
    """The text that each document should have, by its path below `root`.

    Raises:
        PipelineError: a result or a block is missing, or a template is wrong.
    """
    content, folder = _content(root), root / TEMPLATES
    texts = {}
    for template in sorted(folder.glob("*.md.j2")):
        source = (TEMPLATES / template.name).as_posix()
        note = f"<!-- Made by `python -m pipeline.docs` from {source}: edit that file. -->\n\n"
        texts[Path("docs") / template.stem] = note + render(template.name, folder, **content)
    blocks = {
        template.name.removesuffix(".md.j2"): render(template.name, template.parent, **content)
        for template in sorted(folder.glob("readme/*.md.j2"))
    }
    texts[README] = _fill((root / README).read_text(encoding="utf-8"), blocks)
    return texts


def stale(root: Path) -> list[str]:
    """The documents that differ from what `documents` gives. Raises PipelineError as it does."""
    return [
        path.as_posix()
        for path, text in documents(root).items()
        if not (root / path).exists() or (root / path).read_text(encoding="utf-8") != text
    ]


def _content(root: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML

    reports = root / paths.reports(SCALE)
    files = [*sorted(reports.glob("metrics/*.json")), *sorted(reports.glob("training/*.json"))]
    costs = read_json(root / paths.costs(SCALE))
    rows = read_json(root / paths.claims(SCALE))
    read_yaml = YAML(typ="safe").load
    stages, params = (read_yaml(root / name) for name in ("dvc.yaml", "params.yaml"))
    stages = stages["stages"]
    return {
        "metrics": {file.stem: read_json(file) for file in files},
        "claims": {row["id"]: row for row in rows},
        "cost": {stage: cost for stage, cost in costs.items() if stage != WALL},
        "wall": costs.get(WALL),
        "stages": [_stage(name, stage) for name, stage in stages.items()],
        "arrows": _arrows(stages, params),
        "images": {
            file.stem: _images(read_yaml(file)["prepare"])
            for file in sorted((root / "scales").glob("*.yaml"))
        },
        "experiments": [
            {
                "name": name,
                "dataset": params["experiments"][name].get("dataset", "all"),
                "titles": [figure.title for figure in experiment.figures],
            }
            for name, experiment in experiments.reports().items()
            if name in params["experiments"]
        ],
    }


def _images(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """The number of images of each data set, or of digits before they are coloured."""
    splits = (*SPLITS, TRAIN_T, "reference")
    return {
        name: sum(section.get(split, 0) for split in splits) for name, section in sections.items()
    }


def _stage(name: str, stage: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the table of stages; `data/plan`, which every stage reads, is left out."""
    each = stage.get("foreach", "")
    item = f"<{each[2:-1].removesuffix('s')}>" if isinstance(each, str) else ",".join(each)
    item = item if len(each) < 2 or isinstance(each, str) else f"{{{item}}}"

    def word(match: re.Match[str]) -> str:
        *_, last = match[1].partition("[")[0].split(".")
        return item if match[1] in ("key", "item") else f"<{last}>"

    def listed(*keys: str) -> list[str]:
        paths = _paths(stage, *keys)
        return list(dict.fromkeys(PLACEHOLDER.sub(word, path) for path in paths))

    return {
        "name": f"{name}@{item}" if each else name,
        "desc": stage.get("do", stage)["desc"],
        "reads": [path for path in listed("deps") if not path.startswith("data/plan/")],
        "makes": listed("outs", "plots", "metrics"),
    }


def _arrows(stages: Mapping[str, Any], params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Which stage needs which: all items of a stage are one, and so are measure-<experiment>."""
    reads: dict[str, set[str]] = {}
    makes: dict[str, set[str]] = {}
    for name, stage in stages.items():
        node = name if name.partition("-")[0] in stages else name.partition("-")[0]
        for values in _items(stage, params):
            fill = {"params": params, **values}
            for found, keys in ((reads, ["deps"]), (makes, ["outs", "plots", "metrics"])):
                paths = (_substitute(path, fill) for path in _paths(stage, *keys))
                found.setdefault(node, set()).update(f"{path}/" for path in paths)
    needs = {
        node: {other for other in makes if other != node and _meet(makes[other], reads[node])}
        for node in reads
    }

    def earlier(node: str) -> set[str]:
        return needs[node].union(*(earlier(other) for other in needs[node]))

    return [
        (other, node)
        for node in needs
        for other in needs
        if other in needs[node] and not any(other in earlier(third) for third in needs[node])
    ]


def _items(stage: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What `key` and `item` are, for each item of a stage."""
    each = stage.get("foreach")
    if each is None:
        yield {}
    elif isinstance(each, str):
        yield from ({"key": key, "item": row} for key, row in params[each[2:-1]].items())
    else:
        yield from ({"key": key, "item": key} for key in each)


def _substitute(path: str, values: Mapping[str, Any]) -> str:
    """A path with the values of its placeholders, such as ${experiments.fig3.layers[0]}."""

    def value(match: re.Match[str]) -> str:
        first, *rest = re.findall(r"\w+", match[1])
        found = values[first] if first in values else values["params"][first]
        for part in rest:
            found = found[int(part)] if isinstance(found, list) else found[part]
        return str(found)

    return PLACEHOLDER.sub(value, path)


def _paths(stage: Mapping[str, Any], *keys: str) -> list[str]:
    """The paths in some lists of a stage, with their placeholders."""
    entries = [entry for key in keys for entry in stage.get("do", stage).get(key, ())]
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def _meet(made: set[str], read: set[str]) -> bool:
    """Whether a path of the one is, holds or lies in a path of the other; each ends in a slash."""
    return any(one.startswith(two) or two.startswith(one) for one in made for two in read)


def _fill(text: str, blocks: dict[str, str]) -> str:
    """README.md with the text of each block."""
    found = [match[1] for match in BLOCK.finditer(text)]
    for name in blocks:
        if name not in found:
            raise PipelineError(
                f"{README} has no block {name}: add the lines <!-- begin {name} --> and "
                f"<!-- end {name} -->, or delete {TEMPLATES}/readme/{name}.md.j2."
            )
    for name in found:
        if name not in blocks:
            raise PipelineError(
                f"the block {name} of {README} has no template: add "
                f"{TEMPLATES}/readme/{name}.md.j2, or delete the lines that mark the block."
            )
    return BLOCK.sub(
        lambda match: f"<!-- begin {match[1]} -->\n{blocks[match[1]]}<!-- end {match[1]} -->", text
    )


def main() -> None:
    """Fill documents with the numbers of the committed run."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.docs", description=(main.__doc__ or "").strip()
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if a document is out of date"
    )
    check = parser.parse_args().check
    with report_errors():
        old = stale(Path())
        if check and old:
            raise PipelineError(f"{', '.join(old)}: out of date; run `python -m pipeline.docs`.")
        texts = documents(Path()) if old else {}
        for name in old:
            write_text(name, texts[Path(name)])


if __name__ == "__main__":
    main()
