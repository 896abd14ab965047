"""Which parameters are not trained, and for how long."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

from dlx.core.errors import ConfigError
from dlx.core.ranges import Count
from dlx.engine.head import is_of_head

# Stands for all parameters but the head's: what linear probing freezes.
BACKBONE = "backbone"
# Names of parameters that an error lists.
LISTED = 40


class Freeze:
    """Says for how many epochs from the start each parameter is frozen: it gets no gradient, update or decay.

    Args:
        freeze: null; the names, as patterns (`blocks.*`), of parameters that are never trained, one or a list; or names
            with the number of epochs that they stay frozen, in [1, inf). `backbone` stands for all but the head. Of
            several that match, the longest counts.
    """

    def __init__(self, freeze: str | list[str] | dict[str, Count] | None) -> None:
        if isinstance(freeze, dict):
            self.patterns: dict[str, float] = dict(freeze)
        else:
            self.patterns = dict.fromkeys([freeze] if isinstance(freeze, str) else freeze or [], math.inf)

    def epochs(self, model: nn.Module) -> dict[str, float]:
        """Return for how many epochs each parameter of a model is frozen, by name; 0 for most, inf for never trained.

        Raises:
            ConfigError: a pattern that matches nothing, or nothing that is left to train.
        """
        names = [name for name, _ in model.named_parameters()]
        matched = {pattern: {name for name in names if _matches(model, name, pattern)} for pattern in self.patterns}
        problems = [f"model.freeze: no parameter is called {pattern!r:.100}; there are {_listed(names)}"
                    for pattern, found in matched.items() if not found]
        found = {name: max((epochs for pattern, epochs in self.patterns.items() if name in matched[pattern]), default=0)
                 for name in names}
        if self.patterns and all(found.values()):
            problems.append(f"model.freeze={list(self.patterns)} freezes every parameter in the first epoch, so that "
                            f"nothing is trained; leave out some")
        if problems:
            raise ConfigError(*problems)
        return found


def _matches(model: nn.Module, name: str, pattern: str) -> bool:
    return not is_of_head(model, name) if pattern == BACKBONE else fnmatchcase(name, pattern)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:LISTED]) + (f" … ({len(names)} in all)" if len(names) > LISTED else "")
