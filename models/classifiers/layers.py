"""Layers of several networks that are trained side by side.

A small network on a CPU spends its time on starting operations, not on arithmetic: `members` networks as one tensor
take little more time than one. All tensors are (members, rows, ..., features); members never see each other.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn


class Linear(nn.Module):
    """(M, B, I) -> (M, B, O), one matrix per member; He's start behind rectifiers, else Glorot's.

    He et al. 2015, "Delving deep into rectifiers"; Glorot and Bengio 2010. weight: (M, I, O), bias: (M, 1, O).
    """

    def __init__(self, members: int, inputs: int, outputs: int, rectified: bool = True) -> None:
        super().__init__()
        bound = math.sqrt(6 / max(inputs, 1)) if rectified else math.sqrt(6 / max(inputs + outputs, 1))
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight)


class BatchNorm(nn.Module):
    """Features to mean 0 and variance 1 over the batch, then scaled and shifted by learnt numbers; at prediction by
    running means (Ioffe and Szegedy 2015). (M, B, ..., F) -> same."""

    def __init__(self, members: int, features: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.gain = nn.Parameter(torch.ones(members, features))
        self.shift = nn.Parameter(torch.zeros(members, features))
        self.mean: Tensor
        self.variance: Tensor
        self.register_buffer("mean", torch.zeros(members, features))
        self.register_buffer("variance", torch.ones(members, features))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1, -2)
        if self.training:
            variance, mean = torch.var_mean(flat, dim=1, correction=0)
            rows = flat.shape[1]
            with torch.no_grad():
                self.mean.lerp_(mean, self.momentum)
                self.variance.lerp_(variance * (rows / max(rows - 1, 1)), self.momentum)
        else:
            mean, variance = self.mean, self.variance
        scale = self.gain * torch.rsqrt(variance + self.eps)
        return torch.addcmul((self.shift - mean * scale)[:, None], flat, scale[:, None]).view_as(x)


class Conv1d(nn.Module):
    """Convolution along ordered steps, zeros beyond both ends: (M, B, L, C) -> (M, B, L, O), for odd kernels.

    weight: (M, C * kernel, O), bias: (M, 1, O).
    """

    def __init__(self, members: int, channels: int, outputs: int, kernel: int, rectified: bool = True) -> None:
        super().__init__()
        self.kernel = kernel
        inputs = channels * kernel
        bound = math.sqrt(6 / inputs) if rectified else math.sqrt(6 / (inputs + outputs))
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        members, rows, length, _ = x.shape
        side = self.kernel // 2
        windows = nn.functional.pad(x, (0, 0, side, side)).unfold(2, self.kernel, 1)  # (M, B, L, C, kernel)
        out = torch.baddbmm(self.bias, windows.reshape(members, rows * length, -1), self.weight)
        return out.view(members, rows, length, -1)


class MaxPool(nn.Module):
    """Largest of each `size` neighbouring steps, of an incomplete last group too: (M, B, L, C) -> (M, B, L', C)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        if missing := -x.shape[2] % self.size:
            x = nn.functional.pad(x, (0, 0, 0, missing), value=-math.inf)
        members, rows, length, channels = x.shape
        return x.reshape(members, rows, length // self.size, self.size, channels).amax(3)


class Windows(nn.Module):
    """Columns as ordered steps, given channel by channel: (M, B, C * L) -> (M, B, L, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:-1], self.channels, -1).transpose(-1, -2)


class Beside(nn.Module):
    """Some inputs through `path`, the others as they are behind them: (M, B, I) -> (M, B, features + rest)."""

    def __init__(self, path: nn.Module, chosen: npt.NDArray[np.int64], inputs: int) -> None:
        """chosen: places of the inputs that go through the path, in its order."""
        super().__init__()
        self.path = path
        self.chosen: Tensor
        self.rest: Tensor
        self.register_buffer("chosen", torch.from_numpy(chosen))
        self.register_buffer("rest", torch.from_numpy(np.setdiff1d(np.arange(inputs), chosen)))

    def forward(self, x: Tensor) -> Tensor:
        features = self.path(x.index_select(-1, self.chosen))
        return torch.cat([features, x.index_select(-1, self.rest)], dim=-1)
