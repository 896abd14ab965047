"""What repeats a configuration without being a setting of it: its seed, and which fold of one division is held out."""

SEED = "seed"
FOLDS = ("split.fold", "split.outer", "split.inner")
REPEATED = (SEED, *FOLDS)
