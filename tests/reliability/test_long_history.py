"""A run of very many epochs can be resumed: its history is part of every checkpoint."""

from __future__ import annotations

import torch

from dlx.engine.state import Position, Progress, restore_training, training_checkpoint
from dlx.record import checkpoint

EPOCHS = 150_000
METRICS = ("loss", "accuracy", "nll", "top_k", "macro_f1")
COLUMNS = [
    "lr",
    "train_loss",
    *(f"{split}_{metric}" for split in ("train_eval", "val", "gap") for metric in METRICS),
    "grad_norm_mean",
    "grad_norm_max",
    "grad_ratio",
    "weight_norm",
    "dead_fraction",
]


def test_checkpoint_after_150_000_epochs_is_written_and_read_back():
    # A small model takes minutes for as many, as studies of delayed generalization do.
    model = torch.nn.Linear(2, 2)
    rows = [
        {"epoch": i + 1, "step": 17 * (i + 1), **dict.fromkeys(COLUMNS, 1 / (i + 3)), "grad_ratio": None}
        for i in range(EPOCHS)
    ]
    progress = Progress(rows, best_row=7, best=model.state_dict())
    made = training_checkpoint(model.state_dict(), {}, progress, Position(), {}, {"config": {}})
    data = checkpoint.encode(made)
    found = restore_training(model, checkpoint.decode(data, "here"), 17).progress
    assert found.epoch == EPOCHS
    assert found.rows == rows
    assert [list(row) for row in found.rows[:3]] == [list(row) for row in rows[:3]]
    assert [list(map(type, row.values())) for row in found.rows[:3]] == [
        list(map(type, row.values())) for row in rows[:3]
    ]
    assert len(data) < 64 * 2**20
