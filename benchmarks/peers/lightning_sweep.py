"""The sweep of a user of Lightning, in one process: a Trainer per run, its CSV, the best weights of each run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import perf_counter

import digits
import lightning_alone  # noqa: F401  before lightning
import torch
from digits_sweep import LRS, NUM_EPOCHS, NUM_SEEDS, sweep
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning_digits import Mlp, Trainer, lean_loaders, loaders


def sweep_seconds(num_runs: int, lean: bool = False) -> list[float]:
    """Return the seconds of all 100 runs, from those of the first so many: start and imports are not counted.

    Args:
        lean: with the fastest loaders.
    """
    make_loaders = lean_loaders if lean else loaders

    def run(folder: Path, lr: float, seed: int) -> float:
        """Train, measure train and val after each epoch, keep the best weights by val loss; return that loss."""
        torch.manual_seed(seed)
        train, val, train_eval = make_loaders(seed)
        best = ModelCheckpoint(folder, monitor="val_loss")
        trainer = Trainer(
            max_epochs=NUM_EPOCHS,
            accelerator="cpu",
            logger=CSVLogger(folder, name="", version=""),
            callbacks=[best],
            log_every_n_steps=digits.NUM_STEPS,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        trainer.fit(Mlp(lr), train, [val, train_eval])
        return best.best_model_score.item()

    with tempfile.TemporaryDirectory() as folder:
        start = perf_counter()
        sweep(Path(folder), run, num_runs)
        return [(perf_counter() - start) / num_runs * len(LRS) * NUM_SEEDS]


if __name__ == "__main__":
    print(f"{sweep_seconds(len(LRS) * NUM_SEEDS)[0]:.1f} s")
