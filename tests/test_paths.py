"""Paths are relative, distinct and follow the layout."""

from pathlib import Path

from pipeline import paths


def test_paths() -> None:
    assert paths.prepared("digits") == Path("data/prepared/digits")
    assert paths.features("squeezenet") == Path("data/features/squeezenet")
    assert paths.fingerprint("alexnet") == Path("data/fingerprints/alexnet.json")
    assert paths.choice() == Path("data/choice.json")
    assert paths.inspection() == Path("reports/inspect")
    assert paths.evaluations("fig4") == Path("data/evaluations/fig4.npz")
    assert paths.autoencoder("digits") == Path("models/autoencoder/digits")
    assert paths.network("squeezenet") == Path("models/network/squeezenet")
    assert paths.evaluator("animals") == Path("models/evaluator/animals")
    assert paths.semantic("digits") == Path("models/semantic/digits")
    assert paths.stargan("faces") == Path("models/stargan/faces")
    assert paths.cinn("alexnet", "alexnet-fc7") == Path("models/cinn/alexnet/alexnet-fc7")
    assert paths.baseline("alexnet", "b") == Path("models/baseline/alexnet/b")
    assert paths.representations("alexnet", "alexnet-fc7") == Path(
        "data/features/alexnet/alexnet-fc7"
    )
    assert paths.metrics("laptop", "fig4") == Path("reports/laptop/metrics/fig4.json")
    assert paths.figures("laptop", "fig4") == Path("reports/laptop/figures/fig4")
    assert paths.claims("laptop") == Path("reports/laptop/claims.json")
    assert paths.costs("laptop") == Path("reports/laptop/cost.json")
    assert paths.training("laptop", "train_cinn", "squeezenet") == Path(
        "reports/laptop/training/train_cinn-squeezenet"
    )
    assert paths.checkpoints("train_cinn", "squeezenet", "0a1b") == Path(
        ".checkpoints/train_cinn-squeezenet/0a1b"
    )


def test_all_names_every_function() -> None:
    functions = {name for name, value in vars(paths).items() if callable(value)}
    assert functions - {"Path"} == set(paths.__all__)
