"""Read the YAML files of settings; params.yaml is checked here, without its scale."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.config.fields import validate
from pipeline.config.rows import FILE, Run
from pipeline.errors import PipelineError

__all__ = ["load_run", "read_yaml"]


def load_run(root: str | Path = ".") -> Run:
    """Read and check params.yaml alone, below `root`. Raises PipelineError, a sentence."""
    raw = read_yaml(Path(root), FILE)
    run = validate(Run, raw, FILE, lambda key: (key,) if key is not None else ())
    run.check()
    return run


def read_yaml(root: Path, file: str) -> Any:
    """The content of a YAML file below `root`. Raises PipelineError, a sentence."""
    path = root / file
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise PipelineError(
            f"{file} is missing in {root.absolute()}; run the command in the repository's root."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(f"{file} cannot be read: {error}.") from error
    try:
        # YAML 1.2, which reads 1e-3 as a number and "no" as text.
        return YAML(typ="safe").load(text)
    except DuplicateKeyError as error:
        line = error.problem_mark.line + 1
        key = re.search(r'duplicate key "([^"]*)"', str(error.problem))
        raise PipelineError(
            f"{file}, line {line}: the key {key[1] if key else ''} occurs twice; delete one."
        ) from error
    except YAMLError as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        line_text = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "unreadable"
        raise PipelineError(f"{file}{line_text} is not valid YAML: {problem}.") from error
