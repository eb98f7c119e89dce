"""The embedding H: its layers for every shape of z, and how z is standardised."""

import pytest
import torch

from pipeline.errors import PipelineError
from pipeline.models.embedding import build_embedding
from pipeline.models.norm import Standardize

# shape of z, widths of the layers
VECTORS = {
    "fc6": ((4096,), [4096, 2773, 1450, 128]),
    "fc8": ((1000,), [1000, 709, 418, 128]),
    "spatial vector": ((2048, 1, 1), [2048, 1454, 861, 268]),
    "wider": ((64, 1, 1), [64, 85, 106, 128]),
}
# shape of z, widths of the halvings, kernel of the last convolution
IMAGES = {
    "conv5": ((256, 13, 13), [64, 128], (3, 3)),
    "layer4": ((2048, 4, 4), [], (4, 4)),
    "not square": ((5, 3, 2), [], (3, 2)),
    "many pixels": ((3, 33, 33), [64, 128, 256], (4, 4)),
    "few pixels": ((512, 2, 2), [], (2, 2)),
    "flat": ((3, 1, 9), [], (1, 9)),
}


@pytest.mark.parametrize("name", [*VECTORS, *IMAGES])
def test_layers(name):
    shape, widths, *last = VECTORS.get(name) or IMAGES[name]
    features = 128 if last else widths[-1]
    embedding = build_embedding(shape, features)
    assert embedding(torch.randn(2, *shape)).shape == (2, embedding.features_out) == (2, features)
    if last:
        assert [convolution.out_channels for convolution in embedding.convolutions] == widths
        assert all(convolution.bias is None for convolution in embedding.convolutions)
        assert embedding.last.kernel_size == last[0]
    else:
        assert [linear.in_features for linear in embedding.linears] == widths[:-1]


@pytest.mark.parametrize("shape", [(12,), (4, 16, 16)])
def test_all_parts_of_an_embedding_are_trained(shape):
    torch.manual_seed(0)
    embedding = build_embedding(shape, 6).double()
    z = torch.randn(4, *shape, dtype=torch.float64, requires_grad=True)
    embedding.standardize.fit(3 * z.detach() + 1)
    embedding(z).square().sum().backward()
    for parameter in (z, *embedding.parameters()):
        assert parameter.grad.abs().max() > 0
    assert [norm.initialized.item() for norm in embedding.norms] == [True, True]


@pytest.mark.parametrize("shape", [(500, 3), (500, 3, 4, 5)])
def test_standardize_takes_its_statistics_from_fit(shape):
    torch.manual_seed(0)
    spread = torch.tensor([1.0, 100.0, 0.0]).view(-1, *(1,) * (len(shape) - 2))
    z = spread * torch.randn(shape) + 5
    standardize = Standardize(3)
    assert torch.equal(standardize(z), z)
    standardize.fit(z)
    channels = standardize(z).transpose(0, 1).flatten(1)
    torch.testing.assert_close(channels.mean(1), torch.zeros(3), rtol=0, atol=1e-4)
    assert channels[1].std() == pytest.approx(1, abs=1e-3)
    assert channels[2].abs().max() < 1e-4  # a constant channel is not blown up


def test_other_shapes_are_refused():
    for shape in ((), (0,), (8, 8), (3, 8, 8, 8), (3, -1, 8)):
        with pytest.raises(PipelineError, match="layer of shape"):
            build_embedding(shape)
    with pytest.raises(PipelineError, match="0 features"):
        build_embedding((64,), 0)
    for shape, others in (((12,), [(13,), (3, 2)]), ((3, 8, 8), [(3, 8, 9), (192,)])):
        for other in others:
            with pytest.raises(PipelineError, match="expects"):
                build_embedding(shape)(torch.randn(2, *other))
