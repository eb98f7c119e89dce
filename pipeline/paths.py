"""Every path of the pipeline, relative to the folder it runs in (the repository's root).

Data and models lie at the same place at every scale: DVC keeps the variants apart and restores
the one that fits. Reports of several scales lie side by side.
"""

from pathlib import Path

__all__ = [
    "autoencoder",
    "checkpoints",
    "cinn",
    "claims",
    "costs",
    "evaluations",
    "features",
    "figures",
    "metrics",
    "network",
    "posteriors",
    "prepared",
    "reports",
    "semantic",
    "tables",
    "training",
]


def prepared(dataset: str) -> Path:
    """Folder of a data set's splits, factors and pairs."""
    return Path("data/prepared") / dataset


def posteriors(dataset: str) -> Path:
    """Folder of z_bar's posteriors, once per data set."""
    return Path("data/posteriors") / dataset


def features(network: str) -> Path:
    """Folder of z, once per network."""
    return Path("data/features") / network


def evaluations(figure: str) -> Path:
    """Arrays a figure or table is drawn from."""
    return Path("data/evaluations") / f"{figure}.npz"


def autoencoder(dataset: str) -> Path:
    """Folder of the autoencoder E, D of a data set."""
    return Path("models/autoencoder") / dataset


def network(network: str) -> Path:
    """Folder of an interpreted network and its training checkpoints."""
    return Path("models/network") / network


def semantic(dataset: str) -> Path:
    """Folder of the semantic INN e of a data set."""
    return Path("models/semantic") / dataset


def cinn(network: str) -> Path:
    """Folder of the conditional INNs t of a network."""
    return Path("models/cinn") / network


def reports(scale: str) -> Path:
    """Folder of everything a scale reports."""
    return Path("reports") / scale


def metrics(scale: str, name: str) -> Path:
    """JSON file of numbers."""
    return reports(scale) / "metrics" / f"{name}.json"


def figures(scale: str) -> Path:
    """Folder of figures."""
    return reports(scale) / "figures"


def tables(scale: str) -> Path:
    """Folder of tables."""
    return reports(scale) / "tables"


def training(scale: str, stage: str, item: str) -> Path:
    """Folder of a training's curves."""
    return reports(scale) / "training" / f"{stage}-{item}"


def claims(scale: str) -> Path:
    """JSON file of the claims and their verdicts."""
    return reports(scale) / "claims.json"


def costs(scale: str) -> Path:
    """JSON file of what each stage took: time, memory, threads, device."""
    return reports(scale) / "cost.json"


def checkpoints(stage: str, item: str, fingerprint: str) -> Path:
    """Folder of the training state that an interrupted stage resumes from; never tracked."""
    return Path(".checkpoints") / f"{stage}-{item}" / fingerprint
