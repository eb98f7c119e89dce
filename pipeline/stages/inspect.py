"""Stage inspect: the report on one layer, reports/inspect/README.md, with figures and numbers."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.datasets.features import load_posterior, load_representations
from pipeline.datasets.fingerprint import check_fingerprint
from pipeline.datasets.splits import load_split
from pipeline.evaluation.inspect_layer import InspectedLayer, Split, inspect_layer
from pipeline.figures.drawing import save_figure
from pipeline.figures.inspect import FIGURES
from pipeline.models.generator import load_latent_generator
from pipeline.models.loading import load_autoencoder, load_cinn
from pipeline.networks.loading import load_network
from pipeline.params import Params
from pipeline.reporting.inspection import inspection_metrics, write_inspection
from pipeline.storage import new_folder, read_arrays, read_json, write_json, write_npz, write_text


def inspect(params: Params, device: torch.device) -> None:
    """Sample, measure and draw what one layer holds, and what it has become invariant to."""
    settings, key = params.settings.inspect, read_json(paths.choice())["key"]
    row = params.layers[key]
    network = params.features[row.features].network
    check_fingerprint(read_json(paths.fingerprint(row.features)))
    features, trained = paths.representations(row.features, key), paths.cinn(row.features, key)
    config = read_json(trained / "config.json")
    step = config["steps"][-1]
    splits = {
        name: Split(
            load_split(paths.prepared(row.dataset), name),
            load_representations(features, step, name),
            load_posterior(paths.posteriors(row.dataset), name),
        )
        for name in ("train", "test")
    }
    made = read_json(paths.network(network) / "config.json")
    load = load_latent_generator if row.dataset == "generated" else load_autoencoder
    layer = InspectedLayer(
        load_network(paths.network(network), device),
        row.module,
        "classes" in made["arguments"],
        load(paths.autoencoder(row.dataset)).to(device),
        load_cinn(config["model"], paths.checkpoint_file(trained, step)).to(device),
    )
    arrays, numbers = inspect_layer(
        layer, splits["train"], splits["test"], **vars(settings), seed=params.seed
    )
    about: dict[str, object] = {"network": network, "layer": row.layer, "dataset": row.dataset}
    about |= {"published": made["published"], "step": step, "scale": params.scale}
    about |= {"seed": params.seed, "inputs": settings.inputs}
    about |= {"samples": settings.samples, "samples_read": settings.columns}
    metrics = inspection_metrics(about, config["model"]["shape"], numbers)
    write_npz(paths.evaluations("inspect"), **arrays)
    with new_folder(paths.inspection() / "figures") as folder:
        for name, draw in FIGURES.items():
            save_figure(draw(read_arrays(paths.evaluations("inspect")), metrics), folder / name)
    write_json(paths.inspection() / "metrics.json", metrics)
    write_text(paths.inspection() / "README.md", write_inspection(metrics))


if __name__ == "__main__":
    run_stage("inspect", inspect, items=None)
