"""Paths are relative to the repository, and no two are the same."""

import inspect

from pipeline import paths


def test_paths_are_relative_and_distinct() -> None:
    found = []
    for name in paths.__all__:
        path = getattr(paths, name)
        given = {p.name: p.name for p in inspect.signature(path).parameters.values()}
        given |= {"folder": paths.network("a"), "step": 7} if name == "checkpoint_file" else {}
        found.append(path(**given))
    found += [paths.plan("a"), paths.generator(), paths.dequantizer()]
    assert len(set(found)) == len(found) > 20
    assert not any(path.is_absolute() or ".." in path.parts for path in found)
    assert paths.checkpoint_file(paths.cinn("a"), 7).name == "step-000007.safetensors"


def test_all_names_every_function() -> None:
    functions = {name for name, value in vars(paths).items() if callable(value)}
    assert functions - {"Path"} == set(paths.__all__)
