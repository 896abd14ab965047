"""How the loss changes around the weights: curvature, sharpness, noise that the model bears, landscapes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from dlx.core.measures import Definition, Measures
from dlx.core.ranges import Count, Fraction, NonNegative, Positive, Range

if TYPE_CHECKING:
    from dlx.core.subject import Subject
    from dlx.report.measuring.flat.ground import Found, Ground

ON = ("L is the mean loss, without penalties, smoothing or class weights, over at most num_examples train examples "
      "(the subset of the conventions; fewer where a pass over them takes more than pass_flops operations, those of "
      "recurrent models counted 4 times, but 128), in eval mode with the stored statistics of normalizations; w are "
      "the parameters that training moved. ")
CAPS = ("Jiang, Neyshabur, Mobahi, Krishnan and Bengio, Fantastic generalization measures and where to find them, 2020;"
        " Dziugaite et al., In search of robust measures of generalization, 2020")
EDGE = ("Cohen, Kaur, Li, Kolter and Talwalkar, Gradient descent on neural networks typically occurs at the edge of "
        "stability, 2021")
HESSIAN = ON + "H is its Hessian at w; kinks, as of ReLU, count as straight. "
BALLS = ("Mean, weighted by size, over batches of ascent_batch_size examples (m-sharpness; in order of key(0, "
         "'flatness batches', id): see conventions). ball l2: ‖d‖₂ ≤ radius; adaptive l2: d = T·u, ‖u‖₂ ≤ radius; "
         "adaptive linf: |u_i| ≤ radius; T = |w| + eta for tensors of two axes or more, 0 for biases and gains. Logits "
         "are not normalized. ")
DEFINITIONS: dict[str, Definition] = {
    "hessian_eigenvalue": Definition(
        HESSIAN + "The largest eigenvalues λ, rank 1 first, by Lanczos with full orthogonalization until ‖Hv − λv‖ ≤ "
        "tolerance·|λ|, 200 products at most; of the whole matrix where there are at most 150 weights. An eigenvalue "
        "that Lanczos meets several times is there once.",
        "Yao, Gholami, Keutzer and Mahoney, PyHessian, 2020"),
    "smallest_hessian_eigenvalue": Definition(
        HESSIAN + "The smallest eigenvalue, by the same Lanczos; residual at most tolerance·max(|λ|, 0.01·‖H‖)."),
    "hessian_residual": Definition(
        HESSIAN + "‖Hv − λv‖₂ of an eigenvalue's unit vector v, multiplied anew: an eigenvalue lies that near λ."),
    "hessian_trace": Definition(
        HESSIAN + "Sum of all eigenvalues: tr(QᵀHQ) on the Krylov basis Q of Lanczos plus the mean over "
        "num_trace_probes vectors g of random signs of gᵀ(I − QQᵀ)H(I − QQᵀ)g, with the t interval of that mean; "
        "exact up to 150 weights.",
        "Hutch++: Meyer, Musco, Musco and Woodruff 2021; Krylov basis: Chen and Hallman 2023"),
    "edge_of_stability": Definition(
        "λ·lr/2, λ the largest eigenvalue of the Hessian and lr the learning rate at the end of the epoch that was "
        "kept, or the highest of the epochs up to it, where that differs. Full-batch gradient descent on a quadratic "
        "is stable below 1. For mini-batches the edge lies lower; for optimizers that rescale the gradient, such as "
        "Adam, it is no criterion.", EDGE),
    "edge_of_stability_momentum": Definition(
        "λ over the limit of stability of SGD with momentum β: 2(1 + β)/lr, with Nesterov's 2(1 + β)/((1 + 2β)·lr).",
        EDGE + ", appendix B"),
    "one_step_sharpness": Definition(
        ON + "L(w + d) − L(w) at the d of one step of SAM, along the gradient to the edge of the ball. " + BALLS,
        "Foret, Kleiner, Mobahi and Neyshabur, Sharpness-aware minimization, 2021; Kwon, Kim, Park and Choi, ASAM, "
        "2021, whose biases move and are not scaled"),
    "worst_sharpness": Definition(
        ON + "The largest L(w + d) − L(w) that APGD finds from d = 0 in ascent_steps steps. " + BALLS,
        "Andriushchenko, Croce, Müller, Hein and Flammarion, A modern look at the relationship between sharpness and "
        "generalization, 2023; APGD: Croce and Hein 2020"),
    "average_sharpness": Definition(
        ON + "E L(w + u) − L(w), u ~ N(0, σ²), of adaptive noise N(0, σ²w²): mean of noise_draws draws, the same for "
        "every σ, with its t interval.", "Andriushchenko et al. 2023"),
    "bearable_noise": Definition(
        "The σ at which the mean accuracy over bearable_draws draws of w + u on at most bearable_examples train "
        "examples, the subset of the conventions, fewer in the proportion in which pass_flops makes them fewer, is "
        "allowed_drop below that of w, up to drop_tolerance, by halving [0, most_noise]; u ~ N(0, σ²), "
        "magnitude-aware N(0, σ²w² + magnitude_eps²); the same draws for every σ.", CAPS),
    "inverse_squared_noise": Definition("1/σ² of bearable_noise: larger is sharper.", CAPS),
    "pac_bayes_complexity": Definition(
        "‖w − w₀‖²/(4σ²) + ln(m/σ) + 10, σ the bearable noise, w₀ the initial weights, m the number of train examples. "
        "The number that ranks models in a study, no bound that holds.", CAPS),
    "loss_rise": Definition(
        ON + "Mean of L(w ± distance·d) − L(w) over two random directions d, each filter (row along the first axis) "
        "scaled to the norm of that of w; biases and gains stay. Distance is in these norms.",
        "Li, Xu, Taylor, Studer and Goldstein, Visualizing the loss landscape of neural nets, 2018"),
    "barrier": Definition(
        "max over α in [0, 1], 2·landscape_steps + 1 points, of L((1 − α)·a + α·b) − ((1 − α)·L(a) + α·L(b)), a and b "
        "checkpoints, reference the best one of the run that the settings name so, with their statistics of "
        "normalizations, which are interpolated like weights and not measured anew; at most num_examples of a split.",
        "Goodfellow, Vinyals and Saxe 2015; Frankle, Dziugaite, Roy and Carbin 2020"),
}
COMPARES = ("This loss compares examples with what the trained model says of others, so it says nothing of weights "
            "elsewhere.")
NO_SLOPE = "Loss or gradient is not finite at the best checkpoint, so nothing can be said of its surroundings."


class Flatness:
    """How the loss changes around the weights: curvature, sharpness, noise that the model bears, landscapes.

    Args:
        num_examples: of train and of val, at most, for all but bearable noise.
        pass_flops: of one pass over them; of a model that takes more, fewer examples are looked at, 128 at least.
        float64_weights: a model of at most so many weights, none of a convolution, is computed in float64, others in
            float32.
        num_eigenvalues, tolerance, num_trace_probes: of the Hessian; the residual of an eigenvalue relative to it.
        ascent_batch_size, ascent_steps, radius, adaptive_radius, adaptive_linf_radius, eta: of worst-case sharpness.
        noises, adaptive_noise, noise_draws: of average sharpness, standard deviations.
        bearable_examples, allowed_drop, most_noise, bearable_draws, halvings, drop_tolerance, magnitude_eps: of
            bearable noise.
        landscape_steps: from the middle of a line to its end.
        reach: of landscapes, in norms of filters.
        reference: a run folder of the same model, to whose best checkpoint there is a path, too; null for none.
    """

    def __init__(self, num_examples: Count, pass_flops: Positive, float64_weights: Annotated[int, Range("[0, inf)")],
                 num_eigenvalues: Annotated[int, Range("[1, 50]")], tolerance: Fraction,
                 num_trace_probes: Annotated[int, Range("[2, inf)")], ascent_batch_size: Count, ascent_steps: Count,
                 radius: Positive, adaptive_radius: Positive, adaptive_linf_radius: Positive, eta: NonNegative,
                 noises: list[Positive], adaptive_noise: Positive, noise_draws: Annotated[int, Range("[2, inf)")],
                 bearable_examples: Count, allowed_drop: Fraction, most_noise: Positive, bearable_draws: Count,
                 halvings: Count, drop_tolerance: NonNegative, magnitude_eps: NonNegative,
                 landscape_steps: Annotated[int, Range("[1, 100]")], reach: Positive,
                 reference: str | None) -> None:
        self.num_examples, self.pass_flops, self.float64_weights = num_examples, pass_flops, float64_weights
        self.hessian = (num_eigenvalues, num_trace_probes, tolerance)
        self.worst = (radius, adaptive_radius, adaptive_linf_radius, eta, ascent_steps, ascent_batch_size)
        self.average = (noises, adaptive_noise, noise_draws)
        self.bearable_examples = bearable_examples
        self.bearable = (allowed_drop, most_noise, bearable_draws, halvings, drop_tolerance,
                         magnitude_eps)
        self.landscape = (landscape_steps, reach)
        self.reference = None if reference is None else Path(reference)

    def check(self) -> None:
        """Check, before anything is measured, that the reference run has a checkpoint.

        Raises:
            ConfigError: it has none, or is no run.
        """
        from dlx.report.measuring.flat.other import checkpoint_of

        if self.reference is not None:
            checkpoint_of(self.reference)

    def measure(self, subject: Subject) -> Measures:
        """Measure a run.

        Raises:
            ConfigError: the reference run has another model.
        """
        from dlx.report.measuring.cost import affordable_of
        from dlx.report.measuring.flat.ground import ground

        if subject.compares_examples:
            return Measures(skipped=(COMPARES,))
        count = affordable_of(subject, self.num_examples, self.pass_flops)
        own = ground(subject, count, self.float64_weights)
        loss, gradient = own.space.gradient(own.space.weights, own.examples)
        if not (math.isfinite(loss) and bool(gradient.isfinite().all())):
            return Measures(skipped=(NO_SLOPE,))
        found = list(self._parts(own, count))
        details = {"loss": own.clean.loss, "accuracy": own.clean.accuracy, "num_examples": len(own.examples.ids),
                   "is_capped": count < self.num_examples, "dtype": str(own.space.dtype).removeprefix("torch.")}
        return Measures(tuple(number for part in found for number in part.numbers),
                        details | {name: value for part in found for name, value in part.details.items()},
                        tuple(reason for part in found for reason in part.skipped))

    def _parts(self, own: Ground, count: int) -> Iterator[Found]:
        from dlx.report.measuring.flat import curvature, landscape, noise, sharpness

        yield curvature.measure(own, *self.hessian)
        yield sharpness.worst(own, *self.worst)
        yield sharpness.average(own, *self.average)
        yield noise.measure(own, max(1, self.bearable_examples * count // self.num_examples), *self.bearable)
        yield landscape.plane(own, *self.landscape)
        yield landscape.paths(own, self.landscape[0], count, self.reference)
