"""Batched augmentation: draws keyed by example, and pure functions that take their parameters.

Every augmentation is two functions. One draws the parameters of each example from (key, id), see
`dlx.core.augment.draws`; the other applies given parameters to a batch, and draws nothing. Give each augmentation a key
of its own, `dlx.core.random.key(seed, purpose, epoch)`: two with one key draw the same numbers.
"""
