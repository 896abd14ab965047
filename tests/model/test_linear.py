"""Linear: K·(D + 1) parameters, one matrix product."""

import pytest
import torch

from dlx.model.linear import Linear


@pytest.mark.parametrize(("shape", "num_outputs", "expected"), [
    ((1, 28, 28), 10, 7_850), ((784,), 10, 7_850), ((30,), 2, 62), ((10,), 1, 11), ((3, 32, 32), 10, 30_730),
])
def test_linear_has_outputs_times_inputs_plus_one_parameters(shape, num_outputs, expected):
    assert sum(param.numel() for param in Linear(shape, num_outputs, "torch", 1.0).parameters()) == expected


def test_linear_is_one_matrix_product_of_the_flattened_input():
    model, x = Linear((2, 3, 4), 5, "torch", 1.0).double(), torch.randn(7, 2, 3, 4, dtype=torch.float64)
    weight, bias = model.head.weight, model.head.bias
    expected = [[sum(weight[k, d] * row[d] for d in range(24)) + bias[k] for k in range(5)] for row in x.reshape(7, 24)]
    torch.testing.assert_close(model(x), torch.stack([torch.stack(row) for row in expected]))
