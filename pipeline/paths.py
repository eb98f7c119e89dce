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
    "choice",
    "cinn",
    "claims",
    "code",
    "costs",
    "dequantizer",
    "evaluations",
    "evaluator",
    "features",
    "figures",
    "fingerprint",
    "generator",
    "inspection",
    "metrics",
    "network",
    "posteriors",
    "prepared",
    "reports",
    "representations",
    "rows",
    "semantic",
    "stargan",
    "training",
]


def prepared(dataset: str) -> Path:
    """Folder of a data set's images and their ground truth, all splits together."""
    return Path("data/prepared") / dataset


def posteriors(dataset: str) -> Path:
    """Folder of z_bar's posteriors, once per data set."""
    return Path("data/posteriors") / dataset


def features(name: str) -> Path:
    """Folder of the representations of a row of `features`, with a folder per layer."""
    return Path("data/features") / name


def representations(name: str, layer: str) -> Path:
    """Folder of z of one layer, of a row of `features`."""
    return features(name) / layer


def code() -> Path:
    """Folder of JSON files, one per stage: the modules that it runs, by content."""
    return Path("data/code")


def rows() -> Path:
    """Folder of JSON files, one per data set: the rows of params.yaml that are about it."""
    return Path("data/rows")


def evaluations(figure: str) -> Path:
    """Arrays a figure or table is drawn from."""
    return Path("data/evaluations") / f"{figure}.npz"


def fingerprint(features: str) -> Path:
    """JSON file that names the data set that features are of, by content."""
    return Path("data/fingerprints") / f"{features}.json"


def choice() -> Path:
    """JSON file that names the layer to inspect."""
    return Path("data/choice.json")


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


def cinn(name: str, layer: str) -> Path:
    """Folder of the conditional INNs t of a layer, of a row of `features`."""
    return Path("models/cinn") / name / layer


def baseline(network: str, name: str) -> Path:
    """Folder of a decoder that t is compared with, for one layer of a network."""
    return Path("models/baseline") / network / name


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


def metrics(scale: str, name: str) -> Path:
    """JSON file of numbers."""
    return reports(scale) / "metrics" / f"{name}.json"


def figures(scale: str, item: str) -> Path:
    """Folder of the figures and tables drawn from one evaluation."""
    return reports(scale) / "figures" / item


def inspection() -> Path:
    """Folder of the report on one layer, whatever its scale: the last one inspected."""
    return Path("reports/inspect")


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
