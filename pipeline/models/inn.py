"""Invertible networks: the semantic INN e (A.2) and the conditional INN t (A.3) of the INV paper.

The nets s and t of a half coupling share their input: their first layers are one matrix product,
the others run as batched products.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.errors import PipelineError
from pipeline.models.loading import with_weights
from pipeline.models.norm import ActNorm
from pipeline.models.recalibration import Recalibration
from pipeline.models.regression import LinearPrediction
from pipeline.storage import read_json

__all__ = [
    "Block",
    "ConditionalINN",
    "Coupling",
    "InvertibleNetwork",
    "Regressed",
    "SemanticINN",
    "Shuffle",
    "load_semantic",
]

SLOPE = 0.01  # of the LeakyReLUs inside s and t

Regressed = tuple[Tensor | None, Tensor | None]
"""What regressions on z tell t: a guess that its blocks read, and what it subtracts first."""


class Shuffle(nn.Module):
    """A fixed permutation of the features, saved with the state dict (INV paper A.2)."""

    def __init__(self, features: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        permutation = torch.randperm(features, generator=generator)
        self.register_buffer("permutation", permutation)
        self.register_buffer("inverse_permutation", permutation.argsort())
        self.permutation: Tensor
        self.inverse_permutation: Tensor

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (batch, features) to (value, log_det); log_det (batch,) is zero."""
        return x.index_select(1, self.permutation), x.new_zeros(len(x))

    def inverse(self, value: Tensor) -> Tensor:
        """Undo forward: value (batch, features) to x of the same shape."""
        return value.index_select(1, self.inverse_permutation)


class CouplingNets(nn.Module):
    """The nets s and t of one half coupling: MLPs with LeakyReLU(0.01), computed together.

    Each has one input, `depth` hidden and one output layer. Weights have shape (in, out) and are
    stacked over the two nets; those of the first layer are split into x and condition. Source: INV
    paper A.2, A.3 and Tab. S10.
    """

    def __init__(
        self,
        features_in: int,
        features_out: int,
        width: int,
        depth: int,
        condition_features: int,
        generator: torch.Generator | None,
    ) -> None:
        super().__init__()
        fan_in = features_in + condition_features
        self.width = width
        self.first = _uniform((features_in, 2 * width), fan_in, generator)
        self.first_bias = _uniform((2 * width,), fan_in, generator)
        if condition_features:
            self.first_condition = _uniform((condition_features, 2 * width), fan_in, generator)
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for _ in range(depth):
            self.weights.append(_uniform((2, width, width), width, generator))
            self.biases.append(_uniform((2, 1, width), width, generator))
        # Zero output layers: a fresh coupling is the identity.
        self.weights.append(nn.Parameter(torch.zeros(2, width, features_out)))
        self.biases.append(nn.Parameter(torch.zeros(2, 1, features_out)))

    def forward(self, x: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Map x (batch, features_in) and the condition (batch or 1, condition_features) to
        (log s, t), both (batch, features_out); log s = tanh(.) lies in (-1, 1).
        """
        offset: Tensor = self.first_bias
        if condition is not None:
            # Added, not concatenated: a condition shared by all x is projected once.
            offset = torch.addmm(offset, condition, self.first_condition)
        hidden = F.leaky_relu_(torch.addmm(offset, x, self.first), SLOPE)
        hidden = hidden.view(len(x), 2, self.width).transpose(0, 1)
        *weights, last_weight = self.weights
        *biases, last_bias = self.biases
        for weight, bias in zip(weights, biases, strict=True):
            hidden = F.leaky_relu_(torch.baddbmm(bias, hidden, weight), SLOPE)
        log_s, t = torch.baddbmm(last_bias, hidden, last_weight).unbind()
        return log_s.tanh(), t


class Coupling(nn.Module):
    """Affine coupling of both halves with s = exp(tanh(.)): Eqs. 14-15 and 17-18."""

    def __init__(
        self,
        features: int,
        width: int,
        depth: int,
        condition_features: int = 0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.sizes = (features // 2, features - features // 2)
        self.nets = nn.ModuleList(
            CouplingNets(features_in, features_out, width, depth, condition_features, generator)
            for features_in, features_out in (self.sizes[::-1], self.sizes)
        )

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map x (batch, features) to (value, log_det), of shapes (batch, features), (batch,)."""
        x_1, x_2 = x.split(self.sizes, 1)
        log_s_1, t_1 = self.nets[0](x_2, condition)
        y_1 = torch.addcmul(t_1, x_1, log_s_1.exp())
        log_s_2, t_2 = self.nets[1](y_1, condition)
        y_2 = torch.addcmul(t_2, x_2, log_s_2.exp())
        return torch.cat((y_1, y_2), 1), log_s_1.sum(1) + log_s_2.sum(1)

    def inverse(self, value: Tensor, condition: Tensor | None = None) -> Tensor:
        """Undo forward: value (batch, features) to x of the same shape."""
        y_1, y_2 = value.split(self.sizes, 1)
        log_s_2, t_2 = self.nets[1](y_1, condition)
        x_2 = (y_2 - t_2) * torch.exp(-log_s_2)
        log_s_1, t_1 = self.nets[0](x_2, condition)
        x_1 = (y_1 - t_1) * torch.exp(-log_s_1)
        return torch.cat((x_1, x_2), 1)


class Block(nn.Module):
    """ActNorm, coupling and shuffle: the block of Fig. S1."""

    def __init__(
        self,
        features: int,
        width: int,
        depth: int,
        condition_features: int = 0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.norm = ActNorm(features)
        self.coupling = Coupling(features, width, depth, condition_features, generator)
        self.shuffle = Shuffle(features, generator)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map x (batch, features) to (value, log_det), of shapes (batch, features), (batch,)."""
        x, norm_log_det = self.norm(x)
        x, log_det = self.coupling(x, condition)
        x, _ = self.shuffle(x)
        return x, norm_log_det + log_det

    def inverse(self, value: Tensor, condition: Tensor | None = None) -> Tensor:
        """Undo forward: value (batch, features) to x of the same shape."""
        return self.norm.inverse(self.coupling.inverse(self.shuffle.inverse(value), condition))


class InvertibleNetwork(nn.Module):
    """A stack of blocks (INV paper, Fig. S2), conditional if condition_features is positive.

    The condition has shape (batch, condition_features), or (1, condition_features) if all x share
    it; then its part of the first products is computed once.

    Initial weights and permutations are a pure function of `seed`; the global random state is
    neither read nor changed. A fresh network only normalises and shuffles: the last layers of s and
    t start at zero. For sizes see Tab. S10 (n_flow, h_w, h_d). Raises PipelineError for fewer than
    2 features, a missing condition or an unexpected one.
    """

    def __init__(
        self,
        features: int,
        blocks: int,
        width: int,
        depth: int,
        condition_features: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if features < 2:
            raise PipelineError(f"an invertible network needs 2 or more features, not {features}.")
        generator = torch.Generator().manual_seed(seed)
        self.conditional = condition_features > 0
        self.blocks: Sequence[Block] = nn.ModuleList(  # type: ignore[assignment]  # of Blocks alone
            Block(features, width, depth, condition_features, generator) for _ in range(blocks)
        )

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map x (batch, features) to (value, log_det), of shapes (batch, features), (batch,)."""
        self._check(condition)
        log_det = x.new_zeros(len(x))
        for block in self.blocks:
            x, term = block(x, condition)
            log_det = log_det + term
        return x, log_det

    def inverse(self, value: Tensor, condition: Tensor | None = None) -> Tensor:
        """Undo forward: value (batch, features) to x of the same shape."""
        self._check(condition)
        for block in reversed(self.blocks):
            value = block.inverse(value, condition)
        return value

    def _check(self, condition: Tensor | None) -> None:
        if (condition is not None) != self.conditional:
            wanted = "needs a condition" if self.conditional else "takes no condition"
            raise PipelineError(f"this invertible network {wanted}: call it accordingly.")


class SemanticINN(nn.Module):
    """The INN e: z_bar to factors, the residual first (INV paper A.2, Eqs. 14-15)."""

    def __init__(
        self,
        features: int,
        factors: dict[str, int],
        blocks: int,
        width: int,
        depth: int,
        seed: int = 0,
    ) -> None:
        super().__init__()
        residual = features - sum(factors.values())
        if "residual" in factors or min(factors.values(), default=1) < 1 or residual < 0:
            raise PipelineError(
                f"the factors {factors} do not fit {features} features: give each factor at least "
                "1 and all of them at most that many; the residual gets the rest."
            )
        self.factors = {"residual": residual, **factors}
        self.network = InvertibleNetwork(features, blocks, width, depth, seed=seed)

    def forward(self, z_bar: Tensor) -> tuple[Tensor, Tensor]:
        """Map z_bar (batch, features) to (e, log_det), of shapes (batch, features), (batch,)."""
        return self.network(z_bar)

    def inverse(self, e: Tensor) -> Tensor:
        """Map e (batch, features) back to z_bar of the same shape."""
        return self.network.inverse(e)

    def split(self, e: Tensor) -> dict[str, Tensor]:
        """Name the factors of e (batch, features): (batch, size) each, the residual first."""
        return dict(zip(self.factors, e.split(list(self.factors.values()), 1), strict=True))

    def indices(self, name: str) -> slice:
        """The features of e that belong to the factor of that name."""
        if name not in self.factors:
            raise PipelineError(f"there is no factor {name!r}: use one of {list(self.factors)}.")
        names = list(self.factors)
        start = sum(self.factors[other] for other in names[: names.index(name)])
        return slice(start, start + self.factors[name])


class ConditionalINN(nn.Module):
    """The INN t: z_bar to the invariance v given z (INV paper A.3, Eqs. 16-18).

    Args:
        features: dimensions of z_bar and v.
        embedding: H of Eq. 16; its attribute `features_out` is the width of its output.
        blocks, width, depth: size of the conditional blocks (Tab. S10).
        dropout: share of the embedded condition dropped during training.
        seed: of the initial weights of the conditional blocks.
        base: pretrained unconditional blocks, applied first and frozen.
        prediction: regression of z_bar on z. Mapped by `base`, if there is one, it is a guess that
            the conditional blocks read along with H(z).
        expectation: regression, on z and on the guess, of what `base` makes of z_bar; needs both.

    From what `base` makes of z_bar, the expectation is subtracted, or without `base` the
    prediction, and the residual is divided by its standard deviation: what a regression knows of
    z_bar, the conditional blocks need not learn. Last comes `recalibration`, which is the identity
    until it is fitted to held-out images.
    """

    def __init__(
        self,
        features: int,
        embedding: nn.Module,
        blocks: int,
        width: int,
        depth: int,
        dropout: float = 0.0,
        seed: int = 0,
        base: InvertibleNetwork | None = None,
        prediction: LinearPrediction | None = None,
        expectation: LinearPrediction | None = None,
    ) -> None:
        super().__init__()
        self.features = features
        self.base = None if base is None else base.requires_grad_(False)
        self.embedding = embedding
        self.prediction = prediction
        self.expectation = expectation
        self.dropout = dropout
        condition_features = int(embedding.features_out)  # type: ignore[arg-type]  # every H has it
        if prediction is not None:
            condition_features += features
        self.network = InvertibleNetwork(features, blocks, width, depth, condition_features, seed)
        self.recalibration = Recalibration(features)

    def forward(
        self, z_bar: Tensor, z: Tensor, regressed: Regressed | None = None
    ) -> tuple[Tensor, Tensor]:
        """Map z_bar (batch, features) given z (batch or 1, ...) to (v, log_det (batch,)).

        `regressed` takes the place of `regress` of z: for images that the regressions were fitted
        to, it holds what fits without them give.
        """
        guess, expected = self.regress(z) if regressed is None else regressed
        value, log_det = self.unconditional(z_bar)
        if expected is not None:
            value = (value - expected) / self._scale()
            log_det = log_det - self._scale().log().sum()
        v, rest = self.network(value, self._condition(z, guess))
        v, last = self.recalibration(v)
        return v, log_det + rest + last

    def inverse(self, v: Tensor, z: Tensor) -> Tensor:
        """Map v (batch, features) given z (rows, ...) to z_bar of the same shape.

        The batch is a multiple of the rows: each z conditions as many consecutive v.
        """
        each = len(v) // len(z)
        guess, expected = self.regress(z)
        condition = self._condition(z, guess).repeat_interleave(each, 0)
        value = self.network.inverse(self.recalibration.inverse(v), condition)
        if expected is not None:
            value = value * self._scale() + expected.repeat_interleave(each, 0)
        return value if self.base is None else self.base.inverse(value)

    def unconditional(self, z_bar: Tensor) -> tuple[Tensor, Tensor]:
        """What the unconditional blocks make of z_bar (batch, features), and their log_det."""
        if self.base is None:
            return z_bar, z_bar.new_zeros(len(z_bar))
        return self.base(z_bar)

    def regress(self, z: Tensor) -> Regressed:
        """The guess and the expectation from z (batch, ...): (batch, features), or None."""
        if self.prediction is None:
            return None, None
        guess = self.prediction(z)
        if self.base is None:
            return guess, guess
        guess, _ = self.base(guess)
        return guess, None if self.expectation is None else self.expectation(z, guess)

    def _scale(self) -> Tensor:
        regression = self.prediction if self.expectation is None else self.expectation
        assert regression is not None
        return regression.scale

    def _condition(self, z: Tensor, guess: Tensor | None) -> Tensor:
        """The condition of every coupling net."""
        h = F.dropout(self.embedding(z), self.dropout, self.training)
        return h if guess is None else torch.cat([h, guess], 1)


def _uniform(
    shape: tuple[int, ...], fan_in: int, generator: torch.Generator | None
) -> nn.Parameter:
    """Uniform in +-1/sqrt(fan_in), as nn.Linear draws weights and biases."""
    bound = 1 / math.sqrt(fan_in)
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound, generator=generator))


def load_semantic(folder: Path) -> SemanticINN:
    """Load e, in evaluation mode."""
    config = read_json(folder / "config.json")
    config["factors"] = dict(config["factors"])  # pairs: their order matters, and JSON sorts keys
    model = SemanticINN(**config)
    return with_weights(model, folder / "model.safetensors")
