"""What repeats a configuration without being a setting of it: its seeds, and which fold of one division is held out."""

SEED = "seed"
# Of a run as a whole, of its initial weights, and of order and noise; the latter two are the first unless given.
SEEDS = (SEED, "init_seed", "order_seed")
FOLDS = ("split.fold", "split.outer", "split.inner")


def is_seed(key: str) -> bool:
    """Say whether a key is a seed: of the run, or of a part such as split.seed or dataset.train_seed."""
    return key.rpartition(".")[2].endswith(SEED)


def repeats(key: str) -> bool:
    """Say whether runs that differ by a key are repetitions of one configuration."""
    return is_seed(key) or key in FOLDS
