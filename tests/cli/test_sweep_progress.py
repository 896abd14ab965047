"""How far a sweep is, as it is told to whoever watches."""

from __future__ import annotations

from dlx.cli.sweep_progress import Shown
from dlx.sweep.progress import Progress


class Told(Shown):
    """Keeps what there was to say last."""

    def say(self, trained: float, over: int, text: str) -> None:
        self.last = trained, over, text


def test_look_counts_members_that_are_over_while_their_job_goes_on():
    shown = Told(total=20, done=4)
    shown.look([Progress(runs=8, over=2, epoch=5, epochs=10), Progress(runs=4, over=0, epoch=0, epochs=0)])
    trained, over, text = shown.last
    # Two and half of six members, beside the four before.
    assert (trained, over) == (4 + 2 + 6 * 0.5, 6)
    assert text.startswith("10 in flight in 2 jobs")


def test_look_says_the_epoch_of_a_single_job():
    shown = Told(total=3, done=0)
    shown.look([Progress(runs=3, over=1, epoch=1, epochs=4)])
    assert shown.last[:2] == (1 + 2 / 4, 1)
    assert shown.last[2].startswith("2 in flight at epoch 1/4")
