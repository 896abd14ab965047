"""dlx: controlled experiments on the generalization of neural networks."""

__version__ = "0.1.0"
