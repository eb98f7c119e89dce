"""Stage inspect: the report on one layer, reports/inspect/README.md, with figures and numbers."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.config.rows import GENERATED, layer_name
from pipeline.config.settings import InspectSettings
from pipeline.datasets.features import load_posterior, load_representations
from pipeline.datasets.fingerprint import check_fingerprint
from pipeline.datasets.splits import load_split
from pipeline.drawing.drawing import save_figure
from pipeline.drawing.inspect import FIGURES
from pipeline.evaluation.inspect_layer import InspectedLayer, Split, inspect_layer
from pipeline.models.cinn import load_cinn
from pipeline.models.generator import load_latent_generator
from pipeline.models.image_autoencoder import load_autoencoder
from pipeline.models.inn import load_semantic
from pipeline.networks.card import load_card
from pipeline.networks.loading import load_network
from pipeline.reporting.inspection import inspection_metrics, write_inspection
from pipeline.storage import new_folder, read_json, write_json, write_npz, write_text
from pipeline.task import Task


def inspect(task: Task[InspectSettings], device: torch.device) -> None:
    """Sample, measure and draw what one layer represents, and what it is invariant to."""
    ((key, row),) = task.rows.layers.items()
    settings, folder, network = task.settings, paths.cinn(key), paths.network(row.network)
    check_fingerprint(read_json(paths.posteriors(row.dataset) / "config.json"))
    config, made = read_json(folder / "config.json"), read_json(network / "config.json")
    step = config["steps"][-1]
    train, test = (
        Split(
            load_split(paths.prepared(row.dataset), name),
            load_representations(paths.features(key), step, name),
            load_posterior(paths.posteriors(row.dataset), name),
        )
        for name in (read_json(paths.features(key) / "config.json")["train"], "test")
    )
    load = load_latent_generator if row.dataset == GENERATED else load_autoencoder
    layer = InspectedLayer(
        load_network(network, device),
        row.module,
        load_card(made["build"]).objective == "classes",
        load(paths.autoencoder(row.dataset)).to(device),
        load_cinn(folder, step).to(device),
        load_semantic(paths.semantic(row.dataset)).to(device),
    )
    arrays, numbers = inspect_layer(layer, train, test, **vars(settings), seed=task.seed)
    about: dict[str, object] = {"network": row.network, "layer": layer_name(key)}
    about |= {"dataset": row.dataset, "published": made["published"], "step": step}
    about |= {"scale": task.scale, "seed": task.seed, "inputs": settings.inputs}
    about |= {"samples": settings.samples, "samples_read": settings.columns}
    metrics = inspection_metrics(about, config["model"]["shape"], numbers)
    write_npz(paths.evaluations("inspect"), **arrays)
    with new_folder(paths.inspection() / "figures") as figures:
        for name, draw in FIGURES.items():
            save_figure(draw(arrays, metrics), figures / name)
    write_json(paths.inspection() / "metrics.json", metrics)
    write_text(paths.inspection() / "README.md", write_inspection(metrics))


if __name__ == "__main__":
    run_stage("inspect", inspect, InspectSettings)
