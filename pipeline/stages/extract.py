"""Stage extract@alexnet-fc7: z = Phi(x) of a layer, for every image and checkpoint."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.config.settings import ExtractSettings
from pipeline.datasets.features import new_representations
from pipeline.datasets.splits import SPLITS, load_split
from pipeline.networks.layers import extract_features, layer_shape
from pipeline.networks.loading import load_checkpoints
from pipeline.storage import new_folder, write_json
from pipeline.task import Task


def extract(task: Task[ExtractSettings], device: torch.device) -> None:
    """Compute the representations z of a layer for every image and checkpoint of its network."""
    layer = task.rows.layers[task.item]
    splits = {split: load_split(paths.prepared(layer.dataset), split) for split in SPLITS}
    steps: list[int] = []
    shape: tuple[int, ...] = ()
    with new_folder(paths.features(task.item)) as folder:
        for step, network in load_checkpoints(paths.network(layer.network), device):
            steps.append(step)
            shape = layer_shape(network, layer.module, splits["train"])
            for split, images in splits.items():
                # Memory may not hold z of all images: it goes straight into the file.
                array = new_representations(folder, step, split, (len(images), *shape))
                extract_features(
                    network, layer.module, images, task.settings.batch_size, torch.from_numpy(array)
                )
                array.flush()
        write_json(folder / "config.json", {"steps": steps, "shape": shape})


if __name__ == "__main__":
    run_stage("extract", extract, ExtractSettings)
