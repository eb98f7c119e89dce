"""Changes of the settings, as a user makes them in an editor."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

DELETE = object()


def change(project: Path, file: str, dotted: str, value: Any) -> None:
    """Set, add or delete a key of a YAML file; mappings around a new one are added."""
    change_all(project, file, {dotted: value})


def change_all(project: Path, file: str, changes: Mapping[str, Any]) -> None:
    """Set, add or delete several, of a file that takes a while to read and write."""
    yaml = YAML(typ="safe")
    content = yaml.load(project / file)
    for dotted, value in changes.items():
        *parents, last = dotted.split(".")
        place = content
        for key in parents:
            place = place.setdefault(key, {})
        if value is DELETE:
            del place[last]
        else:
            place[last] = value
    yaml.dump(content, project / file)
