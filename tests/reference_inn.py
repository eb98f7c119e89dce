"""The invertible network once more, as plainly as Eqs. 14-18 stand in the paper: the yardstick.

Separate nets s and t, concatenated inputs, one sample and one feature at a time where that is
plainer. It is slow on purpose and shares no code with pipeline/models/inn.py; it only reads the
weights of the network it checks.
"""

import torch
from torch import Tensor, nn


def read_net(nets: nn.Module, which: int) -> nn.Sequential:
    """The net s (which = 0) or t (which = 1) of one half coupling as an ordinary MLP."""
    width = nets.width
    columns = slice(which * width, (which + 1) * width)
    matrices = [nets.first[:, columns]]
    if hasattr(nets, "first_condition"):
        matrices = [torch.cat([nets.first[:, columns], nets.first_condition[:, columns]], dim=0)]
    vectors = [nets.first_bias[columns]]
    for weight, bias in zip(nets.weights, nets.biases, strict=True):
        matrices.append(weight[which])
        vectors.append(bias[which, 0])
    layers: list[nn.Module] = []
    for matrix, vector in zip(matrices, vectors, strict=True):
        linear = nn.Linear(*matrix.shape, dtype=matrix.dtype)
        with torch.no_grad():
            linear.weight.copy_(matrix.T)
            linear.bias.copy_(vector)
        layers += [linear, nn.LeakyReLU(0.01)]
    return nn.Sequential(*layers[:-1])


class ReferenceBlock:
    def __init__(self, block: nn.Module) -> None:
        self.shift = block.norm.shift.detach()
        self.scale = block.norm.log_scale.detach().exp()
        self.half = len(self.shift) // 2
        self.s_1, self.t_1 = (read_net(block.coupling.nets[0], which) for which in (0, 1))
        self.s_2, self.t_2 = (read_net(block.coupling.nets[1], which) for which in (0, 1))
        self.permutation = block.shuffle.permutation.tolist()

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        x = self.scale * x + self.shift
        x_1, x_2 = x[:, : self.half], x[:, self.half :]
        scale_1 = torch.exp(torch.tanh(self.s_1(torch.cat([x_2, h], dim=1))))
        x_1 = x_1 * scale_1 + self.t_1(torch.cat([x_2, h], dim=1))
        scale_2 = torch.exp(torch.tanh(self.s_2(torch.cat([x_1, h], dim=1))))
        x_2 = x_2 * scale_2 + self.t_2(torch.cat([x_1, h], dim=1))
        log_det = scale_1.prod(1).log() + scale_2.prod(1).log() + self.scale.prod().log()
        x = torch.cat([x_1, x_2], dim=1)
        return torch.stack([x[:, source] for source in self.permutation], dim=1), log_det

    def inverse(self, value: Tensor, h: Tensor) -> Tensor:
        shuffled = value
        value = torch.empty_like(shuffled)
        for target, source in enumerate(self.permutation):
            value[:, source] = shuffled[:, target]
        x_1, x_2 = value[:, : self.half], value[:, self.half :]
        scale_2 = torch.exp(torch.tanh(self.s_2(torch.cat([x_1, h], dim=1))))
        x_2 = (x_2 - self.t_2(torch.cat([x_1, h], dim=1))) / scale_2
        scale_1 = torch.exp(torch.tanh(self.s_1(torch.cat([x_2, h], dim=1))))
        x_1 = (x_1 - self.t_1(torch.cat([x_2, h], dim=1))) / scale_1
        return (torch.cat([x_1, x_2], dim=1) - self.shift) / self.scale


class ReferenceINN:
    """Reads the weights of a pipeline.models.inn.InvertibleNetwork."""

    def __init__(self, network: nn.Module) -> None:
        self.blocks = [ReferenceBlock(block) for block in network.blocks]

    @torch.no_grad()
    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        h = x[:, :0] if condition is None else condition
        log_det = torch.zeros(len(x), dtype=x.dtype)
        for block in self.blocks:
            x, term = block.forward(x, h)
            log_det = log_det + term
        return x, log_det

    @torch.no_grad()
    def inverse(self, value: Tensor, condition: Tensor | None = None) -> Tensor:
        h = value[:, :0] if condition is None else condition
        for block in reversed(self.blocks):
            value = block.inverse(value, h)
        return value
