"""Stage extract@squeezenet: z = Phi(x) for every image and checkpoint, computed once."""

import torch

from pipeline import paths
from pipeline.cli import run_stage
from pipeline.datasets.digits import SPLITS, ColorDigits
from pipeline.datasets.features import save_representations
from pipeline.networks.layers import represent
from pipeline.networks.squeezenet import load_checkpoints
from pipeline.params import Params
from pipeline.storage import new_folder


def extract(params: Params, item: str, device: torch.device) -> None:
    """Compute the representation z of a network's layer for every image and checkpoint."""
    settings = params.settings.extract[item]
    layer = params.layers[settings.layer]
    data = paths.prepared(params.networks[item].dataset)
    splits = {split: ColorDigits.load(data, split) for split in SPLITS}
    with new_folder(paths.features(item)) as folder:
        for step, network in load_checkpoints(paths.network(item), device):
            for split, digits in splits.items():
                z = represent(network, layer.module, layer.shape, digits, settings.batch_size)
                save_representations(folder, step, split, z)


if __name__ == "__main__":
    run_stage("extract", extract)
