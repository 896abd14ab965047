"""Adding a draw in one part moves no other: order, initial weights, and what other regularizers draw."""

from dataclasses import dataclass, field, replace

import torch
from part_files import parts
from small_runs import digits, equal_tensors, train

from dlx.core.random import torch_generator
from dlx.record.checkpoint import load

DATA = digits(100, own_test=True)


@dataclass
class Noise:
    """A regularizer that draws, from its own generator and as much as it likes, and notes what it saw."""

    amount: int
    drawn: list = field(default_factory=list)
    ids: list = field(default_factory=list)

    def on_batch(self, batch, generator):
        noise = torch.randn(self.amount, generator=generator)
        self.drawn.append(noise[:3].tolist())
        self.ids.append(batch.ids.tolist())
        return batch._replace(inputs=batch.inputs + 1e-3 * noise.mean())


def run(path, regularizers):
    made = replace(parts("epochs=2", "batch_size=16", "regularizer=[dropout]", "model.width=16"), dataset=DATA)
    train(replace(made, regularizers={**regularizers, **made.regularizers}), path)
    return load(path / "checkpoints" / "initial.safetensors").tensors


def test_draws_of_a_new_part_move_no_other(tmp_path):
    alone, together = Noise(10), Noise(10)
    initial = run(tmp_path / "alone", {"noise": alone})
    initial_together = run(tmp_path / "together", {"another": Noise(1000), "noise": together})
    assert together.drawn == alone.drawn
    assert together.ids == alone.ids
    assert equal_tensors(initial, initial_together)


def test_draws_come_from_the_stream_of_name_and_step(tmp_path):
    noise = Noise(10)
    run(tmp_path / "run", {"noise": noise})
    assert len(noise.drawn) == 8
    assert noise.drawn == [torch.randn(10, generator=torch_generator(0, "noise", step))[:3].tolist()
                           for step in range(8)]
