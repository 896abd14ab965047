"""Texts that a saved language model goes on with. S samples, L tokens that the model sees, V different tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dlx.core.device import Placement
from dlx.core.errors import ArtefactError, ConfigError
from dlx.core.random import torch_generator
from dlx.core.types import PADDING, UNKNOWN, Tokenizes
from dlx.engine.modes import eval_mode
from dlx.engine.parts import Parts
from dlx.engine.predict import restore_spec, restored_pipeline
from dlx.engine.saved_model import SavedModel


class Sampling(NamedTuple):
    """How to draw tokens.

    num_tokens: of a sample, beside the prompt; temperature: logits are divided by it, 0 takes the most probable token;
    top_k: draw among so many of the most probable, or None; num_samples: S; seed: of the draws.
    """

    num_tokens: int
    temperature: float
    top_k: int | None
    num_samples: int
    seed: int


def continued(saved: SavedModel, prompt: str, sampling: Sampling) -> list[str]:
    """Go on with a text, S times, token by token; each is told from the last L before it.

    Args:
        saved: of a run whose targets are next tokens.
        prompt: the text to go on with.

    Returns:
        S texts, which begin with the prompt as it is.

    Raises:
        ConfigError: the prompt has no token, or no preprocessing of the run writes texts.
        ArtefactError: the checkpoint does not fit its configuration.
    """
    pipeline = restored_pipeline(saved.parts, saved.checkpoint, restore_spec(saved.checkpoint))
    name, tokenizer = _tokenizer(saved.parts)
    tokens = tokenizer.tokens_of(prompt, pipeline.statistics[name])
    if not tokens:
        raise ConfigError("the text to go on with is empty; give a word or a character at least")
    model, placement = saved.placed(pipeline.spec)
    with eval_mode(model), torch.inference_mode():
        rows = sampled(model, placement, tokens, pipeline.spec.input_shape[0], sampling)
    known, *texts = (tokenizer.text_of(row, pipeline.statistics[name]) for row in (tokens, *rows))
    return [prompt + text[len(known) :] for text in texts]


def _tokenizer(parts: Parts) -> tuple[str, Tokenizes]:
    for name, part in parts.preprocessing.items():
        if isinstance(part, Tokenizes):
            return name, part
    raise ConfigError(f"dlx predict writes texts with the run's preprocessing, and none of "
                      f"{', '.join(parts.preprocessing)} makes texts of tokens")


def sampled(model: torch.nn.Module, placement: Placement, tokens: Sequence[int], length: int, sampling: Sampling
            ) -> list[list[int]]:
    """Return S rows of tokens that begin with the given ones.

    Args:
        model: maps tokens [S, L] to logits [S, L, V], those of a token from it and the ones before it.
        length: L.
    """
    generators = [torch_generator(sampling.seed, "generate", number) for number in range(sampling.num_samples)]
    rows = torch.tensor(tokens).repeat(sampling.num_samples, 1)
    for _ in range(sampling.num_tokens):
        seen = rows[:, -length:]
        inputs = torch.nn.functional.pad(seen, (0, length - seen.shape[1]), value=PADDING)
        with placement.precision():
            logits = model(inputs.to(placement.device))[:, seen.shape[1] - 1]
        rows = torch.cat([rows, drawn(logits.double().cpu(), sampling, generators)], dim=1)
    found: list[list[int]] = rows.tolist()
    return found


def drawn(logits: Tensor, sampling: Sampling, generators: Sequence[torch.Generator]) -> Tensor:
    """Draw one token for each row of logits [S, V], each from its own generator, [S, 1]; never one that is no text.

    Raises:
        ArtefactError: logits that are not numbers.
    """
    if not logits.isfinite().all():
        raise ArtefactError("the model gives no finite numbers: its weights are damaged, or training diverged")
    logits = logits.index_fill(1, torch.tensor([PADDING, UNKNOWN]), -torch.inf)
    if sampling.temperature == 0:
        return logits.argmax(dim=1, keepdim=True)
    if sampling.top_k is not None:
        least = logits.topk(min(sampling.top_k, logits.shape[1])).values[:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    probs = (logits / sampling.temperature).softmax(dim=1)
    return torch.stack([torch.multinomial(own, 1, generator=generator)
                        for own, generator in zip(probs, generators, strict=True)])
