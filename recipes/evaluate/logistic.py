"""Logistic regression: the linear judge of what a few numbers tell of a clip."""

from __future__ import annotations

import numpy as np

PENALTY = 1e-3  # of squared weights
STEPS = 60  # of L-BFGS


def logistic(x: np.ndarray, y: np.ndarray, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """(weight [D, classes], bias [classes]) from x [n, D] float64 and y [n] of 0..classes - 1; every class weighs the same."""
    import torch
    import torch.nn.functional as F

    rows, labels = torch.from_numpy(x), torch.from_numpy(y)
    counts = torch.bincount(labels, minlength=n_classes).double()
    weight = torch.zeros(rows.shape[1], n_classes, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(n_classes, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        value = F.cross_entropy(rows @ weight + bias, labels, weight=1 / counts) + PENALTY * weight.square().mean(1).sum()
        value.backward()
        return value

    optimizer.step(loss)
    return weight.detach().numpy(), bias.detach().numpy()
