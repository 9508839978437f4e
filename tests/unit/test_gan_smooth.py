"""The multilevel basis of the generator's cells."""

from __future__ import annotations

import numpy as np
import torch

from models.encoding.encoding import Layout
from models.gan.network import Generator
from models.gan.smooth import smooth_basis

LAYOUT = Layout((10, 4, 3), (-1, 0, -1), (None, np.array([4] * 9 + [1]), None), (1, 0, 0), (9, 4, 0))


def test_labels_and_missing_cells_keep_weights_of_their_own() -> None:
    basis = smooth_basis(LAYOUT)
    weights = torch.randn(basis.functions, 5, generator=torch.Generator().manual_seed(0))
    matrix = basis.expand(torch.eye(basis.functions))
    assert matrix.shape == (17, basis.functions)
    for cell in (9, 14, 15, 16):  # the missing one and the labels
        assert int((matrix[cell] != 0).sum()) == 1
    assert torch.linalg.matrix_rank(matrix) == 17
    torch.testing.assert_close(basis.expand(weights), matrix @ weights)


def test_hats_of_a_level_sum_to_one_and_neighbours_share_them() -> None:
    matrix = smooth_basis(LAYOUT).expand(torch.eye(smooth_basis(LAYOUT).functions))[:9]
    overlap = matrix @ matrix.T
    near, far = overlap.diagonal(1).mean(), overlap.diagonal(6).mean()
    assert near > far + 0.5


def test_folding_changes_no_logit() -> None:
    basis = smooth_basis(LAYOUT)
    model = Generator(17, 3, 16, 2, basis=basis)
    model.initialise(torch.full((17,), 0.1), torch.Generator().manual_seed(1))
    index = torch.tensor([[2, 11, 15], [17, 18, 19], [9, 18, 19]])
    before = model(index)
    model.fold()
    torch.testing.assert_close(model(index), before)
    assert model.basis is None
    assert model.head.shape == (17, 16)
