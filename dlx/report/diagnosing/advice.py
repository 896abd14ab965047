"""The next command worth trying: what was typed for this run, with one thing changed.

Every function returns None where its change does not apply to the run's configuration.
"""

from __future__ import annotations

from collections.abc import Mapping

from dlx.report.diagnosing import typed
from dlx.report.diagnosing.finding import Case
from dlx.report.section import Command

NAMED = ("dataset", "model", "optimizer")


def command(case: Case, changes: Mapping[str, str], why: str) -> Command:
    """Write the command of the run with some settings changed.

    Settings typed below a group whose choice changes are dropped: they belonged to the old choice.
    """
    tokens = _parts(case)
    for override in case.overrides:
        # What is advised has the usual report.
        if typed.key(override).partition(".")[0] != "report":
            tokens[typed.key(override)] = override
    for key, value in changes.items():
        tokens = {name: token for name, token in tokens.items() if not _belongs(name, key, value)}
        tokens[key] = f"{key}={value}"
    return Command(typed.command_line("dlx train", _in_order(case, tokens)), why)


def _parts(case: Case) -> dict[str, str]:
    # An experiment names its parts itself.
    if any(typed.key(override) == "experiment" for override in case.overrides):
        return {}
    tokens = {group: f"{group}={part}" for group in NAMED if (part := _option(case, group)) is not None}
    names = regularizers(case)
    return {**tokens, "regularizer": f"regularizer=[{','.join(names)}]"} if names else tokens


def _option(case: Case, group: str) -> str | None:
    # A dotted path is code of the user's own, which is named by the option that was typed.
    part = case.setting(group, "part")
    return None if part is None or "." in str(part) else str(part)


def _in_order(case: Case, tokens: Mapping[str, str]) -> list[str]:
    first = [name for name in NAMED if name in tokens]
    return [tokens[name] for name in dict.fromkeys([*first, *tokens])]


def _belongs(name: str, key: str, value: str) -> bool:
    if key == "regularizer":
        kept = value.strip("[]").split(",")
        return name.startswith("regularizer.") and name.split(".")[1] not in kept
    return "." not in key and name.startswith(f"{key}.")


def scale_lr(case: Case, factor: float, why: str) -> Command | None:
    """Change the learning rate by a factor."""
    lr = case.setting("optimizer", "lr")
    return None if lr is None else command(case, {"optimizer.lr": f"{float(lr) * factor:.3g}"}, why)


def scale_count(case: Case, key: str, factor: float, why: str) -> Command | None:
    """Change a whole number, such as epochs or model.width, by a factor."""
    value = case.setting(*key.split("."))
    scaled = None if value is None else max(1, round(value * factor))
    return None if scaled is None or scaled == value else command(case, {key: str(scaled)}, why)


def scale_fraction(case: Case, key: str, factor: float, why: str) -> Command | None:
    """Change a fraction of the data by a factor, to at most 0.4."""
    value = case.setting(*key.split("."))
    scaled = None if value is None else min(0.4, value * factor)
    return None if scaled is None or scaled <= value else command(case, {key: f"{scaled:.2g}"}, why)


def next_seed(case: Case, why: str) -> Command | None:
    """Repeat the run with the next seed."""
    seed = case.setting("seed")
    return None if seed is None else command(case, {"seed": str(seed + 1)}, why)


def set_to(case: Case, key: str, value: str, why: str) -> Command | None:
    """Set something that the configuration has and that is not set so already."""
    old = case.setting(*key.split("."))
    return None if old is None or str(old) == value else command(case, {key: value}, why)


def warm_up(case: Case, why: str) -> Command | None:
    """Let the learning rate rise over the first epoch."""
    length = case.setting("schedule", "warmup_epochs")
    return None if length is None or length >= 1 else command(case, {"schedule.warmup_epochs": "1"}, why)


def choose(case: Case, group: str, name: str, why: str) -> Command | None:
    """Choose another part of a group."""
    return None if case.setting(group, "part") in (None, name) else command(case, {group: name}, why)


def regularizers(case: Case) -> list[str]:
    """List the regularizers of the run."""
    return [name for name in (case.setting("regularizer") or {}) if name != "none"]


def activate(case: Case, name: str, why: str) -> Command | None:
    """Choose another activation, where the model has it."""
    if case.setting("model", "part") == "rnn" and name not in ("tanh", "relu"):
        return None
    return set_to(case, "model.activation", name, why)


def clip(case: Case, why: str) -> Command | None:
    """Clip the gradient, where the optimizer bears that."""
    # A search for the best step needs the gradient of the loss itself.
    return None if case.setting("optimizer", "part") == "lbfgs" else add_regularizers(case, ("gradient_clip",), why)


def add_regularizers(case: Case, names: tuple[str, ...], why: str) -> Command | None:
    """Add regularizers to those of the run; those it has stay."""
    old = regularizers(case)
    new = [name for name in names if name not in old]
    return command(case, {"regularizer": f"[{','.join(old + new)}]"}, why) if new else None


def drop_regularizers(case: Case, names: tuple[str, ...], why: str) -> Command | None:
    """Take regularizers away from those of the run."""
    old = regularizers(case)
    kept = [name for name in old if name not in names]
    value = f"[{','.join(kept)}]" if kept else "none"
    return None if kept == old else command(case, {"regularizer": value}, why)


def some(*commands: Command | None) -> tuple[Command, ...]:
    """Keep the commands that apply, at most three."""
    return tuple(item for item in commands if item is not None)[:3]
