import pytest
import torch

from pipeline.errors import PipelineError
from pipeline.models.embedding import (
    SpatialEmbedding,
    Standardize,
    VectorEmbedding,
    build_embedding,
)
from pipeline.models.inn import ActNorm, ConditionalINN

# shape of z, further arguments of build_embedding, widths of the layers
VECTORS = {
    "fc6": ((4096,), {}, [4096, 2773, 1450, 128]),
    "fc8": ((1000,), {}, [1000, 709, 418, 128]),
    "spatial vector": ((2048, 1, 1), {"features_out": 268}, [2048, 1454, 861, 268]),
    "wider": ((64, 1, 1), {}, [64, 85, 106, 128]),
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


@pytest.mark.parametrize("name", VECTORS)
def test_vector_layers(name):
    shape, settings, widths = VECTORS[name]
    embedding = build_embedding(shape, **settings)
    assert isinstance(embedding, VectorEmbedding)
    assert embedding.widths == widths
    assert [linear.weight.shape for linear in embedding.linears] == [
        (b, a) for a, b in zip(widths, widths[1:], strict=False)
    ]
    assert embedding(torch.randn(2, *shape)).shape == (2, embedding.features_out) == (2, widths[-1])


@pytest.mark.parametrize("name", IMAGES)
def test_spatial_layers(name):
    shape, widths, last = IMAGES[name]
    embedding = build_embedding(shape)
    assert isinstance(embedding, SpatialEmbedding)
    assert [convolution.out_channels for convolution in embedding.convolutions] == widths
    assert all(convolution.bias is None for convolution in embedding.convolutions)
    assert embedding.last.kernel_size == last
    assert embedding(torch.randn(2, *shape)).shape == (2, embedding.features_out) == (2, 128)


@pytest.mark.parametrize("shape", [(12,), (4, 16, 16)])
def test_all_parts_of_an_embedding_are_trained(shape):
    torch.manual_seed(0)
    embedding = build_embedding(shape, 6).double()
    z = torch.randn(4, *shape, dtype=torch.float64, requires_grad=True)
    embedding.standardize.fit(3 * z.detach() + 1)
    embedding(z).square().sum().backward()
    for parameter in (z, *embedding.parameters()):
        assert parameter.grad.abs().max() > 0
    norms = [module for module in embedding.modules() if isinstance(module, ActNorm)]
    assert len(norms) == 2
    assert all(norm.initialized for norm in norms)
    copied = build_embedding(shape, 6).double()
    copied.load_state_dict(embedding.state_dict())
    assert torch.equal(copied(z), embedding(z))


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


def test_an_embedding_of_images_conditions_the_inn():
    model = ConditionalINN(10, build_embedding((3, 8, 8), 6), 2, 16, 1)
    value, log_det = model(torch.randn(4, 10), torch.randn(4, 3, 8, 8))
    assert value.shape == (4, 10)
    assert log_det.shape == (4,)


@pytest.mark.parametrize(
    ("shape", "settings"),
    [
        ((), {}),
        ((0,), {}),
        ((8, 8), {}),
        ((3, 8, 8, 8), {}),
        ((3, -1, 8), {}),
        ((64,), {"features_out": 0}),
    ],
)
def test_impossible_shapes_are_refused(shape, settings):
    with pytest.raises(PipelineError):
        build_embedding(shape, **settings)


@pytest.mark.parametrize(
    ("shape", "wrong"),
    [((12,), (13,)), ((12,), (3, 2)), ((3, 8, 8), (3, 8, 9)), ((3, 8, 8), (192,))],
)
def test_a_representation_of_another_shape_is_refused(shape, wrong):
    with pytest.raises(PipelineError, match="expects"):
        build_embedding(shape)(torch.randn(2, *wrong))
