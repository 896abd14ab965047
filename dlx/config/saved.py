"""The configuration as a run folder keeps it: plain data, parts by name, no code, no place of this machine."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

from dlx.config import options
from dlx.config.schema import RANGE_TEST, SURROUNDINGS, SWEEPING, UNHASHED
from dlx.core.model_keys import effective_model
from dlx.core.repeats import SEED, SEEDS

PART = "part"
AUTO_NAME = "{dataset}-{model}"


def to_saved(config: dict[str, Any]) -> dict[str, Any]:
    """Turn a resolved configuration into its saved form.

    A part of dlx is named as it is typed, `part: mlp`; a part of the user's by its dotted path, which is looked up
    again only for packages that are named on the command line then.
    """
    saved = {key: copy.deepcopy(value) for key, value in config.items()
             if key not in (*SURROUNDINGS, *SWEEPING, *RANGE_TEST, *options.PART_GROUPS, options.PRESETS)}
    for group in options.PART_GROUPS:
        value = config[group]
        many = group in options.LIST_GROUPS
        saved[group] = {name: to_part(group, item) for name, item in value.items()} if many else to_part(group, value)
    if saved["name"] == "auto":
        saved["name"] = AUTO_NAME.format(dataset=_short(saved["dataset"]), model=_short(saved["model"]))
    return saved


def config_hash(saved: dict[str, Any], digits: int = 8) -> str:
    """Return the first hexadecimal digits of the SHA-256 of what determines the result."""
    hashed = {key: value for key, value in saved.items() if key not in UNHASHED}
    for key in UNHASHED:
        group, _, name = key.rpartition(".")
        if group:
            hashed[group] = {inner: value for inner, value in hashed[group].items() if inner != name}
    # A run that was saved before there was such a key is the same run.
    hashed["model"] = effective_model(hashed["model"])
    hashed["dataset"] = {name: value for name, value in hashed["dataset"].items() if (name, value) != ("classes", None)}
    hashed = {key: value for key, value in hashed.items() if key not in SEEDS[1:] or value != hashed.get(SEED)}
    # The order in which parts apply matters, that of keys does not.
    for group in [name for name in options.LIST_GROUPS if name in hashed]:
        hashed[group] = list(hashed[group].items()) if isinstance(hashed[group], dict) else hashed[group]
    return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()[:digits]


def to_part(group: str, value: dict[str, Any]) -> dict[str, Any]:
    """Turn one part of a configuration into its saved form."""
    target = value.get("_target_")
    name = next((option for option, known in options.targets(group).items() if known == target), target)
    return {PART: name, **{key: copy.deepcopy(item) for key, item in value.items() if key != "_target_"}}


def _short(part: dict[str, Any]) -> str:
    return str(part[PART]).rsplit(".", 1)[-1]
