"""The training loop of every model; it resumes bit for bit where it was killed.

Everything random is a function of seed and step: the order of the data, the generator passed to the
objective, and torch's global generator (dropout, sampling), which is reseeded at every step. So a
checkpoint needs no generator states, and validations have no side effects.
"""

from __future__ import annotations

import hashlib
import math
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from pipeline.errors import PipelineError
from pipeline.rounding import rounded
from pipeline.runtime.cuda_graphs import replayed
from pipeline.training.run import TrainingRun

__all__ = ["FitResult", "batch_indices", "cosine", "fit", "linear_decay"]

SAVING = 30
"""Time between two checkpoints, at least, in units of the time that writing one takes."""

Model = TypeVar("Model", bound=nn.Module)
State = dict[str, Tensor]
Entry = dict[str, float]


@dataclass(frozen=True)
class FitResult:
    """What a training returns, apart from the trained model."""

    history: list[Entry]
    """Per logged step: `step`, `train/<scalar>` (mean since the last), `validation/<scalar>`."""
    best_step: int
    """Step of the state the model ends with: the best validation, or the last step."""
    stopped_step: int
    """Last step: `steps`, or earlier if patience ran out."""
    snapshots: dict[int, State]
    """Copies of the model's state on the CPU, after the requested steps."""

    @property
    def last_validation(self) -> Entry:
        """What `validate` returned after the last step, by its own names."""
        return _by_kind(self.history[-1]).get("validation", {})

    @property
    def best(self) -> Entry:
        """The entry of the history at `best_step`, with its step."""
        return next(entry for entry in self.history if entry["step"] == self.best_step)

    @property
    def summary(self) -> dict[str, Any]:
        """The last value of every curve: `step`, and `train` and `validation` by name."""
        latest: Entry = {}
        for entry in self.history:
            latest |= entry
        return {"step": self.stopped_step, **_by_kind(latest)}


def fit(
    model: Model,
    objective: Callable[[Model, Tensor, torch.Generator], Mapping[str, Tensor]],
    optimizer: torch.optim.Optimizer,
    *,
    run: TrainingRun,
    steps: int,
    batch_size: int,
    dataset_size: int,
    log_every: int,
    save_every_seconds: float = 30,
    validate: Callable[[Model], Mapping[str, float]] | None = None,
    validate_every: int = 0,
    validate_first: bool = False,
    keep_best: str | None = None,
    patience: int | None = None,
    schedule: Callable[[int], float] | None = None,
    snapshot_steps: Collection[int] = (),
    clip_norm: float | None = None,
    replay: Iterable[nn.Module] = (),
) -> FitResult:
    """Train `model` in place; killed at any moment and called again, it ends with the same bits.

    Args:
        model: the network to train; it is moved to the run's device.
        objective: `objective(model, indices, generator)` returns scalars: "loss", which is
            minimised, and others to log. `indices` (batch,) int64 are the training items; they and
            `generator` are on the device. It may call any method of the model.
        optimizer: of the model's parameters.
        run: seed, device, checkpoints and log. The final state stays among the checkpoints, so that
            a stage with several trainings does not repeat finished ones.
        steps: number of optimizer steps.
        batch_size: items per step, over all processes together.
        dataset_size: number of training items. Every epoch is a new permutation; an incomplete
            last batch is dropped.
        log_every: steps between two entries of the history.
        save_every_seconds: time between two checkpoints, but at least `SAVING` times what writing
            one takes; 0: after every step.
        validate: `validate(model)` returns scalars; called in eval mode, without gradients, and
            with the same random numbers each time.
        validate_every: steps between two validations; the last step is always validated.
        validate_first: validate the untrained model, too: it may be the best.
        keep_best: the validation scalar to minimise; the model ends in its best state.
        patience: number of validations without a new best after which training stops.
        schedule: maps a step's index, from 0, to a factor of the learning rate.
        snapshot_steps: after how many steps to copy the model's state; 0 is before training.
        clip_norm: maximum norm of the gradient.
        replay: parts of the model that a GPU may run from CUDA graphs; see `replayed`.

    Raises:
        PipelineError: a loss that is not finite, a batch larger than the data or not divisible by
            the number of processes, or a checkpoint that does not fit.
        KeyboardInterrupt: after SIGINT or SIGTERM; the state is saved first.
    """
    seed, fabric, checkpoints, log = run.seed, run.fabric, run.checkpoints, run.log
    _check(fabric, batch_size, dataset_size, validate, validate_every, keep_best, patience)
    world, rank = fabric.world_size, fabric.global_rank
    share = slice(rank, None, world)
    base_rates = [group["lr"] for group in optimizer.param_groups]

    state = checkpoints.load()
    if world > 1 and state is None:
        first = batch_indices(0, batch_size, dataset_size, seed)
        _initialise_alike(model, objective, first, seed, fabric.device)
    # The objective runs inside the wrapped module's forward, so that precision and gradient
    # exchange apply to everything it calls.
    step_module, fabric_optimizer = fabric.setup(_Step(model, objective), optimizer)
    generator = torch.Generator(fabric.device)

    step = 0
    history: list[Entry] = []
    snapshots: dict[int, State] = {}
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}  # some scalars may occur in some steps only
    best, best_step, best_state, waited, finished = math.inf, 0, None, 0, False
    if state is not None:
        try:
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            step = state["step"]
            history, snapshots, sums = state["history"], state["snapshots"], state["sums"]
            counts, finished = state["counts"], state["finished"]
            best, best_step, waited = state["best"], state["best_step"], state["waited"]
            best_state = state["best_state"]
        except (KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise checkpoints.unusable() from error

    def save() -> None:
        if fabric.is_global_zero:
            checkpoints.save(
                {
                    "step": step,
                    "model": model.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "history": history,
                    "snapshots": snapshots,
                    "sums": sums,
                    "counts": counts,
                    "finished": finished,
                    "best": best,
                    "best_step": best_step,
                    "waited": waited,
                    "best_state": best_state,
                }
            )

    if step == 0 and validate_first and validate is not None:
        result = fabric.broadcast(_validated(model, validate, seed, fabric.device))
        if not all(map(math.isfinite, result.values())):
            raise _diverged(run.name, result, step)
        history.append({"step": 0} | {f"validation/{k}": rounded(v) for k, v in result.items()})
        if keep_best is not None:
            best, best_state = result[keep_best], _copy(model)
    if fabric.is_global_zero:
        log.start(steps, step, history)
    if step == 0 and 0 in snapshot_steps:
        snapshots[0] = _copy(model)
    saved, pause = time.monotonic(), save_every_seconds
    model.train()
    try:
        with _stop_signals() as stop, replayed(replay, fabric):
            while step < steps and not finished:
                if _any_process(stop.is_set(), fabric):
                    save()
                    raise KeyboardInterrupt
                factor = 1.0 if schedule is None else schedule(step)
                for group, rate in zip(optimizer.param_groups, base_rates, strict=True):
                    group["lr"] = rate * factor
                indices = batch_indices(step, batch_size, dataset_size, seed)[share]
                _seed_torch(_mix(seed, "step", step, rank), fabric.device)
                generator.manual_seed(_mix(seed, "generator", step, rank))

                scalars = step_module(indices.to(fabric.device), generator)
                fabric_optimizer.zero_grad()
                fabric.backward(scalars["loss"])
                if clip_norm is not None:
                    scalars["gradient_norm"] = fabric.clip_gradients(
                        step_module,
                        fabric_optimizer,
                        max_norm=clip_norm,
                        error_if_nonfinite=False,  # reported below
                    )
                fabric_optimizer.step()

                for name, value in _floats(scalars, fabric).items():
                    sums[name] = sums.get(name, 0.0) + value
                    counts[name] = counts.get(name, 0) + 1
                step += 1
                if not all(map(math.isfinite, sums.values())):
                    raise _diverged(run.name, sums, step)
                log.advance()

                last = step == steps
                entry: Entry = {"step": step}
                if step % log_every == 0 or last:
                    entry |= {f"train/{k}": rounded(v / counts[k]) for k, v in sums.items()}
                    sums, counts = {}, {}
                if validate is not None and (step % validate_every == 0 or last):
                    result = fabric.broadcast(_validated(model, validate, seed, fabric.device))
                    entry |= {f"validation/{k}": rounded(v) for k, v in result.items()}
                    if not all(map(math.isfinite, result.values())):
                        raise _diverged(run.name, result, step)
                    if keep_best is not None:
                        if result[keep_best] < best:
                            best, best_step, waited = result[keep_best], step, 0
                            best_state = _copy(model)
                        else:
                            waited += 1
                            finished = patience is not None and waited >= patience
                if step in snapshot_steps:
                    snapshots[step] = _copy(model)
                if len(entry) > 1:
                    history.append(entry)
                    if fabric.is_global_zero:
                        log.record(entry, steps)
                finished = finished or last
                now = time.monotonic()
                if finished or now - saved >= pause:
                    save()
                    saved = time.monotonic()
                    if save_every_seconds:
                        pause = max(save_every_seconds, SAVING * (saved - now))
            if _any_process(stop.is_set(), fabric):  # a signal during the last step
                raise KeyboardInterrupt
    finally:
        log.finish()
        fabric_optimizer.zero_grad()  # gradients take as much memory as weights
        for group, rate in zip(optimizer.param_groups, base_rates, strict=True):
            group["lr"] = rate
    if best_state is not None:
        model.load_state_dict(best_state)
    model.eval()
    # Later draws must not depend on where the training was resumed.
    _seed_torch(_mix(seed, "after"), fabric.device)
    return FitResult(history, best_step if best_state is not None else step, step, snapshots)


# --- learning rates ------------------------------------------------------------------------------


def linear_decay(steps: int, start_fraction: float) -> Callable[[int], float]:
    """Constant 1 for `start_fraction` of the steps, then linear to 0 after the last."""
    start = start_fraction * steps

    def factor(step: int) -> float:
        return 1.0 if step <= start else max(0.0, (steps - step) / (steps - start))

    return factor


def cosine(steps: int, warmup: int = 0) -> Callable[[int], float]:
    """Linear warm-up over `warmup` steps, then half a cosine down to 0 after the last."""

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        progress = min(1.0, (step - warmup) / max(1, steps - warmup))
        return 0.5 * (1 + math.cos(math.pi * progress))

    return factor


# --- data order and randomness -------------------------------------------------------------------


def batch_indices(step: int, batch_size: int, dataset_size: int, seed: int) -> Tensor:
    """Items of the step with index `step`: (batch_size,) int64, a slice of its epoch's order."""
    epoch, position = divmod(step, dataset_size // batch_size)
    order = _permutation(dataset_size, _mix(seed, "epoch", epoch))
    return order[position * batch_size : (position + 1) * batch_size]


_last_permutation: tuple[tuple[int, int], Tensor] | None = None


def _permutation(size: int, seed: int) -> Tensor:
    global _last_permutation  # an epoch asks for the same one at every step
    if _last_permutation is None or _last_permutation[0] != (size, seed):
        order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
        _last_permutation = ((size, seed), order)
    return _last_permutation[1]


def _mix(*parts: int | str) -> int:
    """A seed of 32 bits, as many as torch's CPU generator uses, from numbers and strings."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=4)
    return int.from_bytes(digest.digest(), "big")


def _seed_torch(seed: int, device: torch.device) -> None:
    # torch.manual_seed formats a stack trace per call on machines without a GPU.
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


# --- parts of the loop ---------------------------------------------------------------------------


class _Step(nn.Module):
    """The objective as a module around the model, for Fabric to wrap."""

    def __init__(self, model: nn.Module, objective: Callable[..., Mapping[str, Tensor]]) -> None:
        super().__init__()
        self.model = model
        self.objective = objective

    def forward(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        return dict(self.objective(self.model, indices, generator))


def _check(
    fabric: Fabric,
    batch_size: int,
    dataset_size: int,
    validate: Any,
    validate_every: int,
    keep_best: str | None,
    patience: int | None,
) -> None:
    if validate is not None and validate_every < 1:
        raise ValueError("validate needs validate_every of at least 1")
    if (keep_best is not None and validate is None) or (patience and keep_best is None):
        raise ValueError("keep_best needs validate, and patience needs keep_best")
    if batch_size > dataset_size:
        raise PipelineError(f"batch_size {batch_size} is more than the {dataset_size} items.")
    if batch_size % fabric.world_size:
        raise PipelineError(
            f"batch_size {batch_size} does not divide among {fabric.world_size} processes."
        )


def _initialise_alike(
    model: Model, objective: Any, indices: Tensor, seed: int, device: torch.device
) -> None:
    """Show all processes the same first batch, from which some layers initialise."""
    _seed_torch(_mix(seed, "initialise"), device)
    generator = torch.Generator(device).manual_seed(_mix(seed, "initialise"))
    model.to(device).train()
    with torch.no_grad():
        objective(model, indices.to(device), generator)


def _validated(model: Model, validate: Any, seed: int, device: torch.device) -> dict[str, float]:
    _seed_torch(_mix(seed, "validation"), device)
    model.eval()
    with torch.no_grad():
        result = {name: float(value) for name, value in validate(model).items()}
    model.train()
    return result


def _copy(model: nn.Module) -> State:
    # Cloned because on the CPU .cpu() returns the tensor itself, which training changes.
    return {name: value.detach().clone().cpu() for name, value in model.state_dict().items()}


def _floats(scalars: Mapping[str, Tensor], fabric: Fabric) -> dict[str, float]:
    """Means over the processes, fetched from the device in one transfer."""
    values = torch.stack([value.detach().float() for value in scalars.values()])
    if fabric.world_size > 1:
        fabric.all_reduce(values, reduce_op="mean")  # in place
    return dict(zip(scalars, values.tolist(), strict=True))


def _by_kind(entry: Entry) -> dict[str, Entry]:
    """The scalars of an entry by what precedes the slash of their names."""
    kinds: dict[str, Entry] = {}
    for key, value in entry.items():
        kind, slash, name = key.partition("/")
        if slash:
            kinds.setdefault(kind, {})[name] = value
    return kinds


def _diverged(name: str, scalars: Mapping[str, float], step: int) -> PipelineError:
    wrong = next(key for key, value in scalars.items() if not math.isfinite(value))
    return PipelineError(
        f"{name}: {wrong} is not finite at step {step}; lower learning_rate in the scale's file."
    )


def _any_process(flag: bool, fabric: Fabric) -> bool:
    if fabric.world_size == 1:
        return flag
    count = fabric.all_reduce(torch.tensor(float(flag), device=fabric.device), reduce_op="sum")
    return bool(count)


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Yield an event that SIGINT or SIGTERM sets; a second signal is handled as usual."""
    stop = threading.Event()
    before: dict[int, Any] = {}

    def request(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, before[number])

    if threading.current_thread() is threading.main_thread():
        for wanted in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(wanted) not in (signal.SIG_IGN, None):  # ignored as under nohup
                before[wanted] = signal.signal(wanted, request)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
