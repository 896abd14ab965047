"""What repeats a configuration without being a setting of it: its seeds, and which fold of one division is held out."""

SEED = "seed"
# Of a run as a whole, of its initial weights, and of order and noise; the latter two are the first unless given.
SEEDS = (SEED, "init_seed", "order_seed")
FOLDS = ("split.fold", "split.outer", "split.inner")
REPEATED = (*SEEDS, *FOLDS)
