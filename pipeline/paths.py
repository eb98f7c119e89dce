"""Every path of the pipeline, relative to the folder it runs in (the repository's root).

Data and models lie at the same place at every scale: DVC keeps the variants apart and restores
the one that fits. Reports of several scales lie side by side.
"""

from pathlib import Path

__all__ = [
    "autoencoder",
    "baseline",
    "checkpoint_file",
    "checkpoints",
    "cinn",
    "claims",
    "costs",
    "dequantizer",
    "evaluations",
    "evaluator",
    "features",
    "figures",
    "generator",
    "inspection",
    "metrics",
    "network",
    "plan",
    "posteriors",
    "prepared",
    "prior",
    "repeats",
    "reports",
    "semantic",
    "sheets",
    "stargan",
    "training",
    "training_metrics",
]


def prepared(dataset: str) -> Path:
    """Folder of a data set's images and their ground truth, all splits together."""
    return Path("data/prepared") / dataset


def posteriors(dataset: str) -> Path:
    """Folder of z_bar's posteriors, once per data set."""
    return Path("data/posteriors") / dataset


def features(layer: str) -> Path:
    """Folder of z of a row of `layers`, for every image and checkpoint."""
    return Path("data/features") / layer


def plan(stage: str, item: str = "") -> Path:
    """JSON file of what an item of a stage is to do, and with which code."""
    return Path("data/plan") / (f"{stage}-{item}.json" if item else f"{stage}.json")


def evaluations(experiment: str) -> Path:
    """Arrays a figure or table is drawn from."""
    return Path("data/evaluations") / f"{experiment}.npz"


def autoencoder(dataset: str) -> Path:
    """Folder of the autoencoder E, D of a data set."""
    return Path("models/autoencoder") / dataset


def evaluator(dataset: str) -> Path:
    """Folder of the network that reads a data set's factors from images."""
    return Path("models/evaluator") / dataset


def network(network: str) -> Path:
    """Folder of an interpreted network and its training checkpoints."""
    return Path("models/network") / network


def checkpoint_file(folder: Path, step: int) -> Path:
    """File of a network, or of t, as it was after `step` training steps of the network."""
    return folder / f"step-{step:06d}.safetensors"


def semantic(dataset: str) -> Path:
    """Folder of the semantic INN e of a data set."""
    return Path("models/semantic") / dataset


def cinn(layer: str) -> Path:
    """Folder of the conditional INNs t of a row of `layers`."""
    return Path("models/cinn") / layer


def prior(dataset: str) -> Path:
    """Folder of the INN of a data set's z_bar alone."""
    return Path("models/prior") / dataset


def baseline(name: str) -> Path:
    """Folder of a decoder that t is compared with, a row of `baselines`."""
    return Path("models/baseline") / name


def stargan(dataset: str) -> Path:
    """Folder of StarGAN's generator, which edits by e are compared with."""
    return Path("models/stargan") / dataset


def generator(dataset: str = "generated") -> Path:
    """Folder of a generator G(z~, h), the first part of the decoder of the images it makes."""
    return autoencoder(dataset) / "generator"


def dequantizer(dataset: str = "generated") -> Path:
    """Folder of the VAE of the generator's class embeddings h, the other part."""
    return autoencoder(dataset) / "dequantizer"


def reports(scale: str) -> Path:
    """Folder of everything a scale reports."""
    return Path("reports") / scale


def metrics(scale: str, experiment: str) -> Path:
    """JSON file of the numbers of an experiment."""
    return reports(scale) / "metrics" / f"{experiment}.json"


def figures(scale: str, item: str) -> Path:
    """Folder of the figures and tables drawn from one evaluation."""
    return reports(scale) / "figures" / item


def sheets(scale: str, dataset: str) -> Path:
    """Folder of the contact sheets of a data set."""
    return reports(scale) / "data" / dataset


def inspection() -> Path:
    """Folder of the report on one layer, whatever its scale: the last one inspected."""
    return Path("reports/inspect")


def training(scale: str, stage: str, item: str) -> Path:
    """Folder of a training's curves."""
    return reports(scale) / "training" / f"{stage}-{item}"


def training_metrics(scale: str, stage: str, item: str) -> Path:
    """JSON file of a training's numbers, next to its curves."""
    return reports(scale) / "training" / f"{stage}-{item}.json"


def claims(scale: str) -> Path:
    """JSON file of the claims and their verdicts."""
    return reports(scale) / "claims.json"


def repeats(scale: str) -> Path:
    """JSON file of the verdicts of runs with other seeds and on other test images."""
    return reports(scale) / "repeats.json"


def costs(scale: str) -> Path:
    """JSON file of what each stage took: time, memory, threads, device."""
    return reports(scale) / "cost.json"


def checkpoints(stage: str, item: str, fingerprint: str) -> Path:
    """Folder of the training state that an interrupted stage resumes from; never tracked."""
    return Path(".checkpoints") / f"{stage}-{item}" / fingerprint
