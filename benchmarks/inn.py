"""Training and sampling speed of the conditional INN compared with other flow libraries.

    python benchmarks/inn.py --blocks 4 2 --slot 0.08 --write    # the table of benchmarks/README.md
    python benchmarks/inn.py --widths 512 --blocks 4 --batches 25 --peers FrEIA --rounds 3

Every model is a stack of [ActNorm, affine coupling of both halves, permutation] on 128 features
with a condition of 128 and has the same number of parameters within 2 %. All run in one process,
in turn within every round, with the same optimizer; the ratio peer / ours is taken per round.
`products alone` is the time of our matrix products with nothing around them.
Needs an otherwise idle machine.
"""

import argparse
import gc
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from page import processor, write_tables
from torch import Tensor, nn

from pipeline.models.inn import InvertibleNetwork
from pipeline.runtime.allocator import keep_freed_memory
from pipeline.runtime.matmul import use_fast_matmul

FEATURES = CONDITION = 128
DEPTH = 2
PEERS = ("FrEIA", "nflows", "normflows", "zuko")
BOUND = "products alone"
TASKS = ("training", "sampling")
# Kinds of matrix products (ours, the peers'): the same for all, and the setting for ours alone.
PAIRS = [("default", "default"), ("fast", "fast"), ("fast", "default")]
README = Path(__file__).with_name("README.md")


def mlp(features_in: int, features_out: int, width: int) -> nn.Sequential:
    """Build 1 input, DEPTH hidden and 1 output linear layer."""
    widths = [features_in, *[width] * (DEPTH + 1), features_out]
    layers: list[nn.Module] = []
    for pair in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(*pair), nn.LeakyReLU(0.01)]
    return nn.Sequential(*layers[:-1])


class BothNets(nn.Module):
    """The nets s and t, as separate MLPs, behind the one-net interface of the peers."""

    def __init__(self, features_in: int, features_out: int, width: int) -> None:
        super().__init__()
        self.s, self.t = (mlp(features_in, features_out // 2, width) for _ in "st")

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Concatenate s and t of x and, if it is given apart, the context."""
        if context is not None:
            x = torch.cat((x, context), 1)
        return torch.cat((self.s(x), self.t(x)), 1)


class StoredContext(BothNets):
    """For normflows, whose affine coupling takes no context: it is stored before the call."""

    context: Tensor

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Like BothNets, with the stored context."""
        return super().forward(x, self.context)


@dataclass
class Model:
    """One contestant: its parameters, and both directions as functions of (x, condition)."""

    name: str
    module: nn.Module
    forward: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    sample: Callable[[Tensor, Tensor], Tensor]
    optimizer: torch.optim.Optimizer | None = None

    @property
    def parameters(self) -> int:
        """Count the trained numbers."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    def train(self, x: Tensor, condition: Tensor) -> None:
        """Take one training step: forward, backward, Adam."""
        assert self.optimizer is not None
        value, log_det = self.forward(x, condition)
        loss = (0.5 * value.square().sum(1) - log_det).mean()
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    @torch.no_grad()
    def invert(self, value: Tensor, condition: Tensor) -> None:
        """Sample: the inverse of given noise, without gradients."""
        self.sample(value, condition)


def build_ours(width: int, blocks: int) -> Model:
    """Build the network of this repository."""
    model = InvertibleNetwork(FEATURES, blocks, width, DEPTH, CONDITION)
    return Model("ours", model, model, model.inverse)


def build_freia(width: int, blocks: int) -> Model:
    """Build FrEIA's SequenceINN of ActNorm, GLOWCouplingBlock, PermuteRandom."""
    from FrEIA.framework import SequenceINN
    from FrEIA.modules import ActNorm, GLOWCouplingBlock, PermuteRandom

    model = SequenceINN(FEATURES)
    for seed in range(blocks):
        model.append(ActNorm)
        model.append(
            GLOWCouplingBlock,
            cond=0,
            cond_shape=(CONDITION,),
            subnet_constructor=lambda n_in, n_out: BothNets(n_in, n_out, width),
            clamp=1.0,
            clamp_activation="TANH",
        )
        model.append(PermuteRandom, seed=seed)
    return Model(
        "FrEIA",
        model,
        lambda x, condition: model(x, [condition]),
        lambda value, condition: model(value, [condition], rev=True)[0],
    )


def build_nflows(width: int, blocks: int) -> Model:
    """Build nflows' CompositeTransform; each of its couplings transforms one half."""
    from nflows.transforms.base import CompositeTransform
    from nflows.transforms.coupling import AffineCouplingTransform
    from nflows.transforms.normalization import ActNorm
    from nflows.transforms.permutations import RandomPermutation

    mask = torch.arange(FEATURES) < FEATURES // 2
    layers: list[nn.Module] = []
    for _ in range(blocks):
        layers.append(ActNorm(FEATURES))
        for half in (mask, ~mask):
            layers.append(
                AffineCouplingTransform(
                    half.int(), lambda n_in, n_out: BothNets(n_in + CONDITION, n_out, width)
                )
            )
        layers.append(RandomPermutation(FEATURES))
    model = CompositeTransform(layers)
    return Model(
        "nflows", model, model, lambda value, condition: model.inverse(value, condition)[0]
    )


def build_normflows(width: int, blocks: int) -> Model:
    """Build normflows' layers; each of its couplings transforms one half."""
    from normflows.flows import ActNorm, AffineCouplingBlock, Permute

    half = FEATURES // 2
    layers: list[nn.Module] = []
    for _ in range(blocks):
        layers.append(ActNorm(FEATURES))
        for mode in ("channel", "channel_inv"):
            net = StoredContext(half + CONDITION, 2 * half, width)
            layers.append(AffineCouplingBlock(net, split_mode=mode))
        layers.append(Permute(FEATURES))
    model = nn.ModuleList(layers)
    nets = [module for module in model.modules() if isinstance(module, StoredContext)]

    def run(x: Tensor, condition: Tensor, inverse: bool = False) -> tuple[Tensor, Tensor]:
        for net in nets:
            net.context = condition
        log_det = x.new_zeros(len(x))
        for layer in reversed(layers) if inverse else layers:
            x, term = layer.inverse(x) if inverse else layer(x)
            log_det = log_det + term
        return x, log_det

    return Model("normflows", model, run, lambda value, condition: run(value, condition, True)[0])


def build_zuko(width: int, blocks: int) -> Model:
    """Build zuko's RealNVP with random masks; one joint MLP per half, widened to the same count."""
    import zuko

    # Joint net of width w against two of `width`: equal numbers of parameters.
    n_in, n_out = FEATURES // 2 + CONDITION, FEATURES
    linear = n_in + DEPTH + 1 + n_out
    target = 2 * sum(p.numel() for p in mlp(n_in, n_out // 2, width).parameters())
    wide = round((-linear + (linear**2 + 4 * DEPTH * (target - n_out)) ** 0.5) / (2 * DEPTH))
    model = zuko.flows.RealNVP(
        FEATURES,
        CONDITION,
        transforms=2 * blocks,
        hidden_features=[wide] * (DEPTH + 1),
        activation=lambda: nn.LeakyReLU(0.01),
    )
    return Model(
        "zuko",
        model,
        lambda x, condition: model(condition).transform.call_and_ladj(x),
        lambda value, condition: model(condition).transform.inv(value),
    )


class Products(nn.Module):
    """The matrix products of our network, the bias of each added, and nothing around them."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.network = InvertibleNetwork(FEATURES, blocks, width, DEPTH, CONDITION)
        for block in self.network.blocks:
            for nets in block.coupling.nets:
                # Zero at first, and nothing leads around a net here: no gradient would be left of
                # the early nets. With 8 it neither vanishes nor explodes.
                nn.init.uniform_(nets.weights[-1], -8 / width**0.5, 8 / width**0.5)

    def forward(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (batch, features) to (batch, features / 2) and (batch,), of which all weights get
        gradients.
        """
        for block in self.network.blocks:
            for nets in block.coupling.nets:
                offset = torch.addmm(nets.first_bias, condition, nets.first_condition)
                hidden = torch.addmm(offset, x[:, : nets.first.shape[0]], nets.first)
                hidden = hidden.view(len(x), 2, nets.width).transpose(0, 1)
                for weight, bias in zip(nets.weights, nets.biases, strict=True):
                    if weight.shape[1] == weight.shape[2] and not torch.is_grad_enabled():
                        # As if stored (out, in), which oneDNN reads faster; MKL does not mind.
                        weight = weight.mT
                    hidden = torch.baddbmm(bias, hidden, weight)
                x = hidden.sum(0)
        return x, x[:, 0]


def build_products(width: int, blocks: int) -> Model:
    """Build our network's products with nothing around them: a bound on its speed, not a flow."""
    model = Products(width, blocks)
    return Model(BOUND, model, model, lambda value, condition: model(value, condition)[0])


BUILDERS = {
    BOUND: build_products,
    "ours": build_ours,
    "FrEIA": build_freia,
    "nflows": build_nflows,
    "normflows": build_normflows,
    "zuko": build_zuko,
}


def use_products(kind: str, report: dict[str, Any]) -> None:
    """Switch PyTorch's way to multiply float32 matrices on the CPU: "default" or "fast"."""
    if report["enabled"]:
        value = report["value"] if kind == "fast" else report["before"]
        torch.backends.mkldnn.matmul.fp32_precision = value


def seconds(function: Callable[[], None], repeats: int) -> float:
    """Mean seconds of one call, over `repeats` calls in a row."""
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    return (time.perf_counter() - start) / repeats


def compare(
    models: list[Model], task: str, batch: int, kinds: list[str], settings: argparse.Namespace
) -> dict[tuple[str, str], np.ndarray]:
    """Seconds per call, (rounds,), of every (kind of products, model): all in turn every round."""
    torch.manual_seed(0)
    x, condition = torch.randn(batch, FEATURES), torch.randn(batch, CONDITION)
    calls = {
        model.name: partial(model.train if task == "training" else model.invert, x, condition)
        for model in models
    }
    contests = [(kind, name) for kind in kinds for name in calls]
    repeats = {}
    times: dict[tuple[str, str], list[float]] = {contest: [] for contest in contests}
    for i in range(settings.rounds + 1):
        start = i % len(contests)
        for kind, name in contests[start:] + contests[:start]:
            use_products(kind, settings.products)
            if i == 0:  # warm up, and find how many calls fill a measurement
                calls[name]()
                repeats[name] = max(1, round(settings.slot / seconds(calls[name], 1)))
            else:
                times[kind, name].append(seconds(calls[name], repeats[name]))
    return {contest: np.array(values) for contest, values in times.items()}


def rows(
    title: list[str], times: dict[tuple[str, str], np.ndarray], settings: argparse.Namespace
) -> list[str]:
    """Lines of the table: peer / ours as median (quartiles) over the rounds, per pair of kinds."""
    lines = []
    for ours, peers in PAIRS if settings.products["enabled"] else PAIRS[:1]:
        mine = times[ours, "ours"]
        cells = [*title, f"{ours} / {peers}", f"{1e3 * np.median(mine):.0f}"]
        for name in (*settings.peers, BOUND):
            low, middle, high = np.quantile(times[peers, name] / mine, [0.25, 0.5, 0.75])
            cells.append(f"{middle:.2f} ({low:.2f}-{high:.2f})")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def benchmark(settings: argparse.Namespace) -> list[str]:
    """Run everything; the lines of a Markdown table, printed while they come."""
    heads = ["width x blocks", "task", "batch", "products ours / peers", "ours, ms"]
    heads += [*settings.peers, BOUND]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    print("\n".join(lines), flush=True)
    kinds = ["default", "fast"] if settings.products["enabled"] else ["default"]
    for width, blocks in zip(settings.widths, settings.blocks, strict=True):
        models = [BUILDERS[name](width, blocks) for name in ("ours", *settings.peers, BOUND)]
        for model in models:
            share = model.parameters / models[0].parameters
            print(f"{model.name}: {model.parameters:,} parameters ({share:.4f})", file=sys.stderr)
            if abs(share - 1) > 0.02:
                raise SystemExit(f"{model.name} has another number of parameters than ours.")
            parameters = model.module.parameters()
            model.optimizer = torch.optim.Adam(parameters, 1e-5, betas=(0.5, 0.9), fused=True)
        for task in settings.tasks:
            for batch in settings.batches:
                times = compare(models, task, batch, kinds, settings)
                new = rows([f"{width} x {blocks}", task, str(batch)], times, settings)
                print("\n".join(new), flush=True)
                lines += new
        del models, model
        gc.collect()
    return lines


def main() -> None:
    """Parse the command line, run, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--widths", nargs="+", type=int, default=[512, 1024])
    parser.add_argument("--blocks", nargs="+", type=int, default=[20, 6], help="one per width")
    parser.add_argument("--batches", nargs="+", type=int, default=[25, 64, 256])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--slot", type=float, default=0.25, help="seconds per measurement")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="write the table into README.md")
    settings = parser.parse_args()
    if len(settings.blocks) != len(settings.widths):
        parser.error(
            f"--blocks has {len(settings.blocks)} numbers for {len(settings.widths)} widths: "
            "give one for each."
        )
    torch.set_num_threads(settings.threads)
    keep_freed_memory()
    settings.products = use_fast_matmul()
    print(f"fast products: {settings.products}", file=sys.stderr)
    lines = benchmark(settings)
    if settings.write:
        versions = ", ".join(f"{name} {version(name)}" for name in ("torch", *settings.peers))
        note = (
            f"{processor()}, {settings.threads} threads, {settings.rounds} rounds of "
            f"{settings.slot:g} seconds per measurement; {versions}."
        )
        write_tables(README, [note, "", *lines])


if __name__ == "__main__":
    main()
