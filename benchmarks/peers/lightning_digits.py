"""Digits with Lightning."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from time import perf_counter

import digits
import lightning_alone  # noqa: F401  before lightning
import torch
import torch.nn.functional as F  # noqa: N812
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler, TensorDataset

torch.set_num_threads(1)

SPLITS = ("val", "train_eval")
SILENT = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
}


class Mlp(LightningModule):
    """A network of one hidden layer that reports loss and accuracy of each split it is measured on."""

    def __init__(self, lr: float = digits.LR) -> None:
        super().__init__()
        self.lr = lr
        self.net = nn.Sequential(
            nn.Linear(digits.NUM_FEATURES, digits.WIDTH), nn.ReLU(), nn.Linear(digits.WIDTH, digits.NUM_CLASSES)
        )

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        inputs, targets = batch
        return F.cross_entropy(self.net(inputs), targets)

    def validation_step(self, batch: list[Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        inputs, targets = batch
        logits = self.net(inputs)
        values = {
            f"{SPLITS[dataloader_idx]}_loss": F.cross_entropy(logits, targets),
            f"{SPLITS[dataloader_idx]}_accuracy": (logits.argmax(1) == targets).float().mean(),
        }
        self.log_dict(values, prog_bar=True, add_dataloader_idx=False, batch_size=len(targets))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.lr, fused=True)


class EpochClock(Callback):
    """Notes when each epoch starts and when training ends."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.times.append(perf_counter())

    def seconds(self) -> list[float]:
        """Return the seconds of each epoch, the last one until now."""
        return [end - start for start, end in pairwise([*self.times, perf_counter()])]


def loaders(seed: int = 0) -> tuple[DataLoader, DataLoader, DataLoader]:
    """Return the training batches, and val and train_eval as they are measured."""
    train, val = datasets(seed)
    return (
        DataLoader(train, batch_size=digits.BATCH_SIZE, shuffle=True),
        DataLoader(val, batch_size=digits.EVAL_BATCH_SIZE),
        DataLoader(train, batch_size=digits.EVAL_BATCH_SIZE),
    )


def lean_loaders(seed: int = 0) -> tuple[DataLoader, DataLoader, DataLoader]:
    """Return the same, each batch fetched by one index instead of row by row: the fastest DataLoader of tensors."""
    train, val = datasets(seed)
    batches = (
        (train, BatchSampler(RandomSampler(train), digits.BATCH_SIZE, drop_last=False)),
        (val, BatchSampler(SequentialSampler(val), digits.EVAL_BATCH_SIZE, drop_last=False)),
        (train, BatchSampler(SequentialSampler(train), digits.EVAL_BATCH_SIZE, drop_last=False)),
    )
    train_loader, val_loader, train_eval_loader = (
        DataLoader(rows, batch_size=None, sampler=sampler) for rows, sampler in batches
    )
    return train_loader, val_loader, train_eval_loader


def datasets(seed: int) -> tuple[TensorDataset, TensorDataset]:
    """Return train and val."""
    train, val = digits.load(seed)
    return TensorDataset(*map(torch.from_numpy, train)), TensorDataset(*map(torch.from_numpy, val))


def step_seconds(num_epochs: int) -> list[float]:
    """Return the mean seconds of a training step in each epoch, with all that can be switched off off."""
    clock = EpochClock()
    trainer = Trainer(max_epochs=num_epochs, barebones=True, accelerator="cpu", callbacks=[clock])
    trainer.fit(Mlp(), lean_loaders()[0])
    return [seconds / digits.NUM_STEPS for seconds in clock.seconds()]


def epoch_seconds(num_epochs: int, lean: bool = False) -> list[float]:
    """Return the seconds of each epoch: training, then val and train_eval measured.

    Args:
        lean: without the CSV, the best checkpoint on val and the progress bar, and with the fastest loaders.
    """
    train, val, train_eval = lean_loaders() if lean else loaders()
    clock = EpochClock()
    with tempfile.TemporaryDirectory() as folder:
        recorded = {
            "logger": CSVLogger(folder),
            "callbacks": [clock, ModelCheckpoint(folder, monitor="val_loss")],
            "log_every_n_steps": digits.NUM_STEPS,
        }
        settings = {**SILENT, "callbacks": [clock]} if lean else recorded
        Trainer(max_epochs=num_epochs, accelerator="cpu", **settings).fit(Mlp(), train, [val, train_eval])
        return clock.seconds()


def main() -> None:
    """Train and measure val after each epoch; write nothing but its last accuracy."""
    train, val, _ = loaders()
    trainer = Trainer(max_epochs=digits.PROCESS_EPOCHS, accelerator="cpu", **SILENT)
    trainer.fit(Mlp(), train, val)
    print(f"val accuracy {trainer.callback_metrics['val_accuracy']:.4f}")


if __name__ == "__main__":
    main()
