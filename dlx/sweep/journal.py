"""optuna.journal: the trials of a search as Optuna's storage, for its dashboard and plots.

A mirror, written from the run folders after each batch and never read back.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from dlx.core import distributions
from dlx.core.search import Trial
from dlx.record import atomic
from dlx.sweep.plan import Plan

STUDY = "dlx"


def write_journal(path: Path, plan: Plan, trials: Sequence[Trial], pruned: Sequence[int | None]) -> None:
    """Replace the file by a study named dlx with every trial; user attributes name its batch and runs.

    Args:
        trials: of each point of the plan, in order.
        pruned: the epoch at which each was stopped, or None.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    assert plan.space is not None, "only a search with a space has trials"
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    made = []
    for point, trial, epoch in zip(plan.points, trials, pruned, strict=True):
        attrs = {"batch": trial.batch, "runs": [plan.runs[run].hash for run in point.runs]}
        frozen = distributions.frozen_trial(plan.space.axes, trial, attrs)
        if epoch is not None and trial.values is not None:
            frozen.state = optuna.trial.TrialState.PRUNED
            frozen.user_attrs = {**frozen.user_attrs, "pruned_at_epoch": epoch}
        made.append(frozen)
    with tempfile.TemporaryDirectory(prefix="dlx-journal-") as room:
        file = Path(room) / path.name
        study = optuna.create_study(storage=JournalStorage(JournalFileBackend(str(file))), study_name=STUDY,
                                    directions=[goal.direction for goal in plan.goals])
        study.set_user_attr("objective", [goal.expression for goal in plan.goals])
        study.add_trials(made)
        atomic.write_bytes(path, file.read_bytes())
