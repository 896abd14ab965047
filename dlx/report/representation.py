"""What layers make of inputs: rank, dimension, neural collapse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from dlx.core.measures import Definition, Measure, Measures
from dlx.core.ranges import Range
from dlx.core.subject import apart

if TYPE_CHECKING:
    import numpy as np

    from dlx.core.subject import Subject

OF_LAYERS = ("Of the outputs of a layer, flattened to [N, D], for N examples of the split, at most num_examples, the "
             "subset of the conventions; the penultimate layer is what the head gets. ")
COLLAPSE = ("Of what the head gets, for the same examples of the split, with their own class means. 0 is collapse. ")
PAPYAN = "Papyan, Han and Donoho, Prevalence of neural collapse, 2020"
DEFINITIONS: dict[str, Definition] = {
    "effective_rank": Definition(
        f"{OF_LAYERS}exp(−Σ p log p), p = s / Σ s, s the singular values of the features minus their mean.",
        "Roy and Vetterli, The effective rank, 2007"),
    "participation_ratio": Definition(
        f"{OF_LAYERS}(Σ λ)² / Σ λ², λ the eigenvalues of their covariance.",
        "Gao et al., A theory of multineuronal dimensionality, 2017"),
    "stable_rank": Definition(f"{OF_LAYERS}‖H‖_F² / ‖H‖₂² of the features minus their mean.",
                              "Rudelson and Vershynin, Sampling from large matrices, 2007"),
    "intrinsic_dimension": Definition(
        f"{OF_LAYERS}M / Σ log(r₂ / r₁) over the M examples, r₁ and r₂ the distances to the nearest and second nearest "
        f"other one; of equal examples one counts.",
        "Facco, d'Errico, Rodriguez and Laio, Estimating the intrinsic dimension of datasets, 2017"),
    "nc1": Definition(f"{COLLAPSE}tr(Σ_W Σ_B⁺) / C, Σ_W the covariance within classes, over examples, Σ_B that of "
                      f"the C class means.", PAPYAN),
    "nc2_norms": Definition(f"{COLLAPSE}Standard deviation over mean of ‖μ_c − μ‖, μ the mean of class means μ_c.",
                            PAPYAN),
    "nc2_angles": Definition(f"{COLLAPSE}Mean over pairs of classes of |cos(μ_c − μ, μ_d − μ) + 1 / (C − 1)|.", PAPYAN),
    "nc2_weight_norms": Definition("Standard deviation over mean of the norms of the rows of the head's weights, a "
                                   "row a class. 0 is collapse.", PAPYAN),
    "nc2_weight_angles": Definition("Mean over pairs of rows of the head's weights of |cos + 1 / (C − 1)|. 0 is "
                                    "collapse.", PAPYAN),
    "nc3": Definition(f"{COLLAPSE}‖W / ‖W‖_F − M / ‖M‖_F‖_F², W the head's weights and M the rows μ_c − μ.", PAPYAN),
    "nc4": Definition("Share of the same examples whose prediction is not the class with the nearest mean; the means "
                      "are those of train_eval, of what the head gets.", PAPYAN),
}
SPLITS = ("train_eval", "test")


class Representation:
    """What layers make of inputs: rank, dimension, neural collapse.

    Source: Papyan, Han and Donoho 2020; Roy and Vetterli 2007; Facco et al. 2017; Kornblith et al. 2019.

    Args:
        num_examples: of each split, in [10, 5000].
        num_layers: in [1, 64].
        num_compared: test examples whose Gram matrix is kept, in [4, 500].
    """

    def __init__(self, num_examples: Annotated[int, Range("[10, 5000]")], num_layers: Annotated[int, Range("[1, 64]")],
                 num_compared: Annotated[int, Range("[4, 500]")]) -> None:
        self.num_examples = num_examples
        self.num_layers = num_layers
        self.num_compared = num_compared

    def measure(self, subject: Subject) -> Measures:
        """Measure a run."""
        from dlx.measure.layers import PENULTIMATE, layer_names

        names = layer_names(subject.model(), self.num_layers)
        places = {split: _places(subject, split, self.num_examples) for split in SPLITS}
        layers, numbers, spectra, last = list[str](), list[Measure](), dict[str, list[float]](), {}
        for split in SPLITS:
            # One at a time: what a convolution gives for all examples is large.
            for layer in (*names, PENULTIMATE):
                values = _features_at(subject, split, places[split], [layer]).get(layer)
                if values is not None:
                    numbers += _of_layer(values, split, layer)
                    layers += [layer] if split == "test" else []
                    spectra[split], last[split] = _spectrum(values), values
        collapsed, skipped = _collapse(subject, places, last if PENULTIMATE in layers else {})
        if not layers:
            skipped.append("Layers were not looked at: the model has no layer with weights before its head.")
        details = {"layers": layers, "spectra": spectra, "similarity": self._similarity(subject, names)}
        return Measures((*numbers, *collapsed), details, skipped)

    def _similarity(self, subject: Subject, names: list[str]) -> dict[str, Any]:
        """Return the Gram matrix of every layer, its upper triangle, of test examples."""
        import numpy as np

        from dlx.measure.features import gram

        places = _places(subject, "test", self.num_compared)
        upper = np.triu_indices(len(places))
        grams = {name: gram(values)[upper] for name, values in _features_at(subject, "test", places, names).items()}
        return {"ids": subject.splits["test"].ids.numpy()[places].tolist(),
                "gram": {name: [float(f"{value:.6g}") for value in values] for name, values in grams.items()}}


def _places(subject: Subject, split: str, count: int) -> np.ndarray:
    """Return indices of examples of a split, by ascending id: sums are then the same in any order of the split."""
    import numpy as np

    ids = subject.splits[split].ids.numpy()
    chosen = np.array(apart(ids, count), np.int64)
    ordered: np.ndarray = chosen[np.argsort(ids[chosen])]
    return ordered


def _features_at(subject: Subject, split: str, places: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
    import torch

    from dlx.measure.layers import PENULTIMATE, features_of

    inputs = subject.splits[split].inputs
    index = torch.from_numpy(places).to(subject.splits[split].targets.device)
    layers = [name for name in names if name != PENULTIMATE]
    return features_of(subject.model(), inputs.index_select(0, index), layers)


def _of_layer(values: np.ndarray, split: str, layer: str) -> Iterator[Measure]:
    from dlx.measure.features import effective_rank, participation_ratio, spectrum, stable_rank, two_nn

    eigenvalues = spectrum(values)
    found = {"effective_rank": effective_rank(eigenvalues), "participation_ratio": participation_ratio(eigenvalues),
             "stable_rank": stable_rank(eigenvalues), "intrinsic_dimension": two_nn(values)}
    for name, value in found.items():
        yield Measure(name, value, split, of={"layer": layer, "width": values.shape[1]}, n=len(values),
                      method=None if value == value else "undefined: the layer gives the same for all examples")


def _spectrum(values: np.ndarray) -> list[float]:
    from dlx.measure.features import spectrum

    return [float(f"{value:.6g}") for value in spectrum(values)[:200]]


def _collapse(subject: Subject, places: dict[str, np.ndarray], penultimate: dict[str, np.ndarray]
              ) -> tuple[list[Measure], list[str]]:
    """Measure neural collapse where there are classes, each with an example, and a head that is a matrix.

    Args:
        places: indices in each split; penultimate: what the head gets for them, [N, D]; empty where that is not known.
    """
    import numpy as np

    from dlx.core.head import head_of
    from dlx.measure.collapse import classes_of

    if subject.spec.kind != "classification":
        return [], [f"Neural collapse is about classes, and the task is a {subject.spec.kind}."]
    count = subject.spec.num_outputs
    weights = getattr(head_of(subject.model()), "weight", None)
    targets = {split: subject.said(split).outcome.targets[own] for split, own in places.items()}
    if weights is None or tuple(weights.shape[:1]) != (count,) or weights.ndim != 2 or not penultimate:
        return [], ["Neural collapse was not measured: the head is no linear layer with a row for each class."]
    if any(len(np.unique(own)) < count for own in targets.values()):
        return [], ["Neural collapse was not measured: a class has no example among those looked at."]
    if any(own.shape[1] != weights.shape[1] for own in penultimate.values()):
        return [], ["Neural collapse was not measured: the head gets more than one vector for an example."]
    classes = {split: classes_of(penultimate[split], targets[split], count) for split in SPLITS}
    numbers: list[Measure] = []
    for split, own in places.items():
        predicted = subject.said(split).outcome.scores[own].argmax(axis=1)
        numbers += _nc(classes, split, penultimate[split], predicted, weights.detach().double().cpu().numpy())
    return numbers, []


def _nc(classes: dict[str, Any], split: str, features: np.ndarray, predicted: np.ndarray, weights: np.ndarray
        ) -> Iterator[Measure]:
    from dlx.measure.collapse import (
        angle_deviation,
        centre_disagreement,
        norm_variation,
        self_duality,
        within_to_between,
    )

    own, why = classes[split], "undefined: all class means are the same"
    found = {"nc1": within_to_between(own), "nc2_norms": norm_variation(own.centred),
             "nc2_angles": angle_deviation(own.centred), "nc3": self_duality(weights, own),
             "nc4": centre_disagreement(features, predicted, classes["train_eval"].means)}
    for name, value in found.items():
        yield Measure(name, value, split, n=len(features), method=None if value == value else why)
    if split == "test":
        for name, value in (("nc2_weight_norms", norm_variation(weights)),
                            ("nc2_weight_angles", angle_deviation(weights))):
            yield Measure(name, value, method=None if value == value else "undefined: weights are all 0")
