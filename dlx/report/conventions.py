"""What the definitions of all sections rest on, exactly enough that others draw the same examples and resamples."""

from __future__ import annotations

CONVENTIONS: dict[str, str] = {
    "key": "key(seed, purpose, position) is an integer: the 8 bytes of hashlib.blake2b(text, digest_size=8), "
           "big-endian, shifted right by one bit, text being the three joined by colons in UTF-8, as 0:subset:17; "
           "without a position 0:bootstrap.",
    "subset": "Where a definition takes at most so many examples of a split, they are those with the smallest "
              "key(0, 'subset', id), all of them where there are no more; always the same ones, in order of their ids.",
    "share": "The interval of a share of n examples is Wilson's; Clopper and Pearson's for n < 100, and where none or "
             "all of them count.",
    "bootstrap": "Examples in order of their ids are drawn whole: resamples are the rows of "
                 "numpy.random.default_rng(key(0, 'bootstrap')).integers(0, n, (num_draws, n)). BCa with 9,999 draws "
                 "for n ≤ 2,000, as scipy.stats.bootstrap computes it with that generator, else percentiles of 2,000 "
                 "draws. The interval of rmse is the roots of that of the mean squared error.",
    "targets": "Those of train_eval are the ones that were trained on: with label noise they are the noisy ones. Those "
               "of val and test are as the dataset gives them. dataset.label_noise = s replaces the label y of "
               "round(s · n) of the n train rows, those with the smallest u[id], by (y + 1 + ⌊v[id] · (C − 1)⌋) mod C "
               "of C classes; u and v are numpy.random.default_rng(key(train_seed, purpose)).random(rows of the "
               "dataset), purpose label-noise for u and noisy-label for v.",
    "arithmetic": "Models compute in the precision of the run, float32 by default, unless a definition says otherwise; "
                  "softmax, logarithms, sums and means are in float64. predictions.csv holds 9 significant digits.",
}
