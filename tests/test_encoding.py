"""Posteriors of a whole data set: one per image, whatever the batches."""

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.datasets.images import ImageSet
from pipeline.evaluation.encoding import encode_in_batches
from pipeline.models.autoencoder import DigitsAutoencoder

COUNT = 7


@pytest.mark.parametrize("batch_size", [1, 3, COUNT, 500])
def test_posteriors_do_not_depend_on_the_batches(batch_size: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (COUNT, 28, 28, 3), np.uint8)
    data = ImageSet(pixels, np.arange(COUNT), pd.DataFrame(), torch.zeros(COUNT, dtype=torch.int64))
    torch.manual_seed(0)
    model = DigitsAutoencoder(5, (4, 8)).eval()
    with torch.no_grad():
        expected = model.encode(data.images(slice(None)))
    mean, variance = encode_in_batches(model, data, batch_size)
    assert mean.shape == variance.shape == (COUNT, 5)
    assert mean.unique(dim=0).shape == mean.shape  # no image has another's
    torch.testing.assert_close((mean, variance), expected)
