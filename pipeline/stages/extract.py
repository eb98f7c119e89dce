"""Stage extract@alexnet-fc7: z = Phi(x) of a layer, for the images that t needs."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.config.settings import ExtractSettings
from pipeline.datasets.features import new_representations
from pipeline.datasets.splits import SPLITS, load_split, split_of_t
from pipeline.networks.layers import extract_features, layer_shape
from pipeline.networks.loading import load_checkpoints
from pipeline.storage import new_folder, write_json
from pipeline.task import Task


def extract(task: Task[ExtractSettings], device: torch.device) -> None:
    """Compute z of a layer for every checkpoint of its network and every image that t needs."""
    layer = task.rows.layers[task.item]
    data = paths.prepared(layer.dataset)
    training = split_of_t(data)
    names = [training, *(name for name in SPLITS if name != "train")]
    splits = {split: load_split(data, split) for split in names}
    steps: list[int] = []
    shape: tuple[int, ...] = ()
    with new_folder(paths.features(task.item)) as folder:
        for step, network in load_checkpoints(paths.network(layer.network), device):
            steps.append(step)
            shape = layer_shape(network, layer.module, splits[training])
            for split, images in splits.items():
                # Memory may not hold z of all images: it goes straight into the file.
                array = new_representations(folder, step, split, (len(images), *shape))
                extract_features(
                    network, layer.module, images, task.settings.batch_size, torch.from_numpy(array)
                )
                array.flush()
        write_json(folder / "config.json", {"steps": steps, "shape": shape, "train": training})


if __name__ == "__main__":
    run_stage("extract", extract, ExtractSettings)
