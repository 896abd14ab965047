"""What each number of the capacity section is, exactly."""

from __future__ import annotations

from dlx.core.measures import Definition

JIANG = "Jiang, Neyshabur, Mobahi, Krishnan and Bengio, Fantastic generalization measures, 2019, appendix C"
BARTLETT = "Bartlett, Foster and Telgarsky, Spectrally-normalized margin bounds, 2017"
PER_EXAMPLE = "m is the number of train examples; so runs with different m can be ranked."
LAYERS = (
    "Layers, l: the weights, without biases, of linear and convolutional layers, embeddings, recurrent layers (input "
    "and recurrent weights, gates one below the other) and attention (as its linear layers), and the scales of "
    "normalizations; each module once, shared weights in each of their layers, all in float64. Batch normalization "
    "in eval mode is first folded into the linear or convolutional layer whose outputs it alone is given, W·s with s = "
    "γ / √(σ² + ε), best and initial weights alike; where there is none it is a layer of its own, the diagonal of s. "
    "Layer, group and RMS normalization are the diagonal of their learnt scale; their division by an example's own "
    "deviation is left out. Sums and products are over all layers as if they stood in a row, shortcuts among them.")


def _jiang(text: str) -> Definition:
    return Definition(text, JIANG)


def _scaled(name: str, log: bool = False) -> Definition:
    formula = "½ (μ - ln m)" if log else "√(μ / m)"
    return Definition(f"{formula} with μ = {name}. {PER_EXAMPLE}", JIANG)


DEFINITIONS: dict[str, Definition] = {
    "parameters": Definition("Numbers in the parameters of the model, a tensor that layers share once; buffers are "
                             "none."),
    "parameters_trained": Definition("Numbers in those parameter tensors that differ anywhere between the initial and "
                                     "the best checkpoint."),
    "forward_flops": Definition(
        "Floating-point operations of the products of one forward pass of one example: 2 for a multiplication and an "
        "addition. Counted are matrix products, convolutions, and attention as matrix products; not activations, "
        "normalization and pooling.", "formulas of torch.utils.flop_counter"),
    "training_flops": Definition(
        "As forward_flops, of the forward pass and the gradient with respect to all parameters, for one example in "
        "eval mode; not what the optimizer, augmentation and regularizers compute.",
        "formulas of torch.utils.flop_counter"),
    "training_step_flops": Definition("training_flops times the examples of a step: batch_size, at most those of "
                                      "train."),
    "parameter_bytes": Definition("parameters times the bytes of each as it is trained: 4 in float32."),
    "optimizer_bytes": Definition("Bytes of the tensors of the optimizer's state in the last checkpoint, with what "
                                  "fills them up."),
    "activation_bytes": Definition(
        "Bytes of the tensors that torch keeps for the gradient of one example in eval mode, its input among them, "
        "parameters and buffers not, every storage once; floats count as large as parameters. Products of recurrent "
        "layers and attention are those of float64 arithmetic, which keeps more than fused kernels do."),
    "training_bytes": Definition(
        "An estimate of what a training step holds at its peak: 2 · parameter_bytes (weights and gradients) + "
        "optimizer_bytes + activation_bytes times the examples of a step. Workspaces of libraries are not in it."),
    "weight_norm": Definition("‖w‖₂ over all parameters as they are saved, biases and normalization among them."),
    "distance_from_init": Definition("‖w - w0‖₂ over all parameters as they are saved, from the initial checkpoint to "
                                     "the best.", "Nagarajan and Kolter 2019; " + JIANG),
    "sum_squared_frobenius": _jiang(f"Σ ‖W_l‖_F². {LAYERS}"),
    "sum_squared_distance": _jiang("Σ ‖W_l - W0_l‖_F² over the layers of sum_squared_frobenius."),
    "log_product_spectral": _jiang("ln Π ‖W_l‖₂², with spectral_norm, over the layers of sum_squared_frobenius."),
    "log_product_frobenius": _jiang("ln Π ‖W_l‖_F² over the layers of sum_squared_frobenius."),
    "frobenius_over_spectral": _jiang("Σ ‖W_l‖_F² / ‖W_l‖₂², the kernel's Frobenius norm and spectral_norm, over the "
                                      "layers of sum_squared_frobenius; of layers that are matrices stable ranks."),
    "spectral_complexity": Definition(
        "ln Π ‖W_l‖₂² - 2 ln γ + ln Σ ‖W_l - W0_l‖_F² / ‖W_l‖₂², with spectral_norm and γ = margin_gamma, over the "
        "layers of sum_squared_frobenius.", JIANG + ", after Bartlett et al. 2017"),
    "log_bartlett_complexity": Definition(
        "ln of Π ‖W_l‖₂ · (Σ (‖(W_l - W0_l)ᵀ‖₂,₁ / ‖W_l‖₂)^⅔)^(3/2), ‖·ᵀ‖₂,₁ the sum of the 2-norms of the rows, of a "
        "convolution one for each filter and not for each pixel; activations as if their Lipschitz constant were 1. "
        "Layers are those of sum_squared_frobenius.", BARTLETT + ", equation 1.2"),
    "path_norm": Definition(
        "√(Σ_k f(1)_k), f the network in eval mode and float64 with every weight and bias squared, batch normalization "
        "folded as in sum_squared_frobenius or else its scale and shift squared, on inputs that are all 1. Means and "
        "pooling stay as they are.", "Neyshabur, Tomioka and Srebro 2015; " + JIANG),
    "sum_squared_frobenius_per_example": _scaled("sum_squared_frobenius"),
    "sum_squared_distance_per_example": _scaled("sum_squared_distance"),
    "frobenius_over_spectral_per_example": _scaled("frobenius_over_spectral"),
    "path_norm_per_example": _scaled("path_norm²"),
    "log_product_spectral_per_example": _scaled("log_product_spectral", log=True),
    "log_product_frobenius_per_example": _scaled("log_product_frobenius", log=True),
    "spectral_complexity_per_example": _scaled("spectral_complexity", log=True),
    "frobenius_norm": Definition("‖W_l‖_F of a layer of sum_squared_frobenius; of a convolution that of its kernel."),
    "spectral_norm": Definition(
        "‖W_l‖₂, the largest singular value of a layer's linear map. Of a convolution that of the map it computes, "
        "with its stride, padding, dilation and groups, on images of the size that it is given, by Lanczos iteration: "
        "to a relative 1e-8 up to 2^20 multiplications, else in float32 to 5e-4 (details.layers.tolerance). Of other "
        "layers that of the matrix; of a diagonal its largest size."),
    "spectral_norm_circular": Definition(
        "The largest singular value of a convolution if images went on at the other side: the largest over all "
        "frequencies of the transformed kernel, those that a stride makes one side by side. Missing where strides do "
        "not divide the size, and where its products would take more than 2^26 multiplications.",
        "Sedghi, Gupta and Long, The singular values of convolutional layers, 2018"),
    "spectral_norm_matrix": Definition("The largest singular value of a convolution's kernel as a matrix with a row "
                                       "for each filter. It is not that of the convolution.", "Miyato et al. 2018"),
    "stable_rank": Definition("‖W_l‖_F² / ‖W_l‖₂² of a layer's weights as a matrix, of a convolution with "
                              "spectral_norm_matrix, so that it is at least 1 and at most the rank.",
                              "Rudelson and Vershynin 2007"),
    "layer_distance_from_init": Definition("‖W_l - W0_l‖_F of a layer of sum_squared_frobenius."),
    "layer_relative_distance": Definition("‖W_l - W0_l‖_F / ‖W0_l‖_F of a layer of sum_squared_frobenius; missing "
                                          "where it started from 0."),
    "margin_quantile": Definition(
        "A quantile of the margins z_y - max_{j≠y} z_j, z logits as the loss reads outputs, or ln of "
        "probabilities: the value at index ⌊level · (n - 1) + ½⌋ of the sorted ones, from 0."),
    "margin_negative_share": Definition("The share of examples with a margin below 0: another class is preferred."),
    "margin_gamma": Definition(
        "γ: the k-th smallest margin of train_eval, k = ⌊n / 10⌋ and at least 1; negative where a tenth or more of the "
        "examples are wrong.", JIANG + ": kthvalue(m // 10)"),
    "log_normalized_gamma": Definition("ln γ - ½ log_product_spectral: γ of a network whose layers are scaled to "
                                       "spectral norm 1.", BARTLETT),
}
