"""The secret stream of DP-SGD: Gaussian noise and Poisson samples."""

import copy
import io
import pickle

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm

from models.dp.stream import Stream
from models.errors import InvalidInput

KEY = bytes(range(32))


def test_normal_is_normal() -> None:
    drawn = Stream(KEY).normal((500, 400))
    assert drawn.dtype == np.float32
    assert drawn.shape == (500, 400)
    flat = drawn.ravel().astype(float)
    assert kstest(flat, "norm").pvalue > 1e-3
    for power, moment, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((flat**power).mean() - moment) < 4.5 * np.sqrt(spread / flat.size)
    assert np.mean(np.abs(flat) > 4) == pytest.approx(2 * norm.sf(4), abs=4e-5)
    assert abs(np.corrcoef(flat[:100_000], flat[100_000:])[0, 1]) < 0.015


def test_odd_and_empty_shapes() -> None:
    assert Stream(KEY).normal(7).shape == (7,)
    assert Stream(KEY).normal((3, 0)).shape == (3, 0)
    assert Stream(KEY).normal(()).shape == ()


def test_poisson_sampling_takes_each_unit_by_itself() -> None:
    stream, q, count = Stream(KEY), 0.05, 2_000
    masks = np.stack([stream.poisson_mask(count, q) for _ in range(400)])
    sizes = masks.sum(1)
    assert abs(masks.mean() - q) < 4.5 * np.sqrt(q * (1 - q) / masks.size)
    assert sizes.var() == pytest.approx(count * q * (1 - q), rel=0.35)  # a fixed batch size would have none
    assert masks.sum(0).var() == pytest.approx(400 * q * (1 - q), rel=0.2)


def test_rates_of_none_and_all() -> None:
    assert not Stream(KEY).poisson_mask(1_000, 0).any()
    assert Stream(KEY).poisson_mask(1_000, 1).all()
    assert Stream(KEY).poisson_mask(1_000, 1.0).all()


@pytest.mark.parametrize("q", [-0.1, 1.1, float("nan"), True, "0.1"])
def test_bad_rates_are_refused(q: float) -> None:
    with pytest.raises(InvalidInput):
        Stream(KEY).poisson_mask(10, q)


def test_draws_never_repeat() -> None:
    stream = Stream(KEY)
    assert stream.bytes(32) != stream.bytes(32)
    assert not np.array_equal(stream.normal(50), stream.normal(50))
    assert Stream().bytes(32) != Stream().bytes(32)


def test_the_key_does_not_leave() -> None:
    stream = Stream(KEY)
    assert KEY.hex() not in repr(stream)
    for leave in (pickle.dumps, copy.copy, copy.deepcopy, lambda s: torch.save(s, io.BytesIO())):
        with pytest.raises(TypeError, match="neither stored nor copied"):
            leave(stream)
    assert not hasattr(stream, "__dict__")  # which a dump of objects would show


def test_a_fork_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(KEY)
    monkeypatch.setattr("os.getpid", lambda: -1)
    with pytest.raises(RuntimeError, match="another process"):
        stream.normal(3)
