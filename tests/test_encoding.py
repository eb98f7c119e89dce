"""Posteriors of a whole data set: one per image, whatever the batches."""

import pytest
import torch
from torch import Tensor

from pipeline.evaluation.encoding import encode_in_batches
from pipeline.models.autoencoder import DigitsAutoencoder

COUNT = 7


class Noise:
    """Images of noise (COUNT, 3, 28, 28)."""

    def __len__(self) -> int:
        return COUNT

    def images(self, indices: Tensor | slice) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return (2 * torch.rand(COUNT, 3, 28, 28, generator=generator) - 1)[indices]


@pytest.mark.parametrize("batch_size", [1, 3, COUNT, 500])
def test_posteriors_do_not_depend_on_the_batches(batch_size: int) -> None:
    torch.manual_seed(0)
    model = DigitsAutoencoder(5, (4, 8)).eval()
    with torch.no_grad():
        expected = model.encode(Noise().images(slice(None)))
    mean, variance = encode_in_batches(model, Noise(), batch_size)  # type: ignore[arg-type]
    assert mean.shape == variance.shape == (COUNT, 5)
    assert mean.unique(dim=0).shape == mean.shape  # no image has another's
    torch.testing.assert_close((mean, variance), expected)
