"""Stage extract@squeezenet: z = Phi(x) for every image and checkpoint, computed once."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.datasets.features import new_representations
from pipeline.datasets.splits import SPLITS, load_split
from pipeline.networks.layers import represent
from pipeline.networks.loading import load_checkpoints
from pipeline.params import Params
from pipeline.storage import new_folder, write_json


def extract(params: Params, item: str, device: torch.device) -> None:
    """Compute the representations z of a network's layers for every image and checkpoint."""
    settings = params.settings.extract[item]
    read = params.features[item]
    data = paths.prepared(read.dataset)
    layers = {key: (params.layers[key].module, shape) for key, shape in settings.layers.items()}
    splits = {split: load_split(data, split) for split in SPLITS}
    with new_folder(paths.features(item)) as folder:
        steps = []
        for step, network in load_checkpoints(paths.network(read.network), device):
            steps.append(step)
            for split, images in splits.items():
                # In files from the start: of a convolution's many images, memory cannot hold all.
                files = {
                    key: new_representations(folder / key, step, split, (len(images), *shape))
                    for key, (_, shape) in layers.items()
                }
                z = {key: torch.from_numpy(array) for key, array in files.items()}
                represent(network, layers, images, settings.batch_size, z)
                for array in files.values():
                    array.flush()
        for key in settings.layers:
            write_json(folder / key / "config.json", {"steps": steps})


if __name__ == "__main__":
    run_stage("extract", extract)
