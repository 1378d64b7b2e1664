#!/bin/sh
# PyTorch's gradients of some activations at NaN depend on where in the tensor the NaN lies.
#
# Guess: one value for a function, the same for every element of a tensor.
# Seen with torch 2.15.0 (CPU, float32), tensors of 37 NaN: the first 32 elements, which go through whole vectors, and the last 5, one by
# one, get different gradients: elu, celu NaN and 1, selu NaN and 1.0507, relu6, hardtanh, softshrink and hardshrink 0 and 1. A tensor of 7
# has the second value throughout. leaky_relu, hardsigmoid, softplus, silu, gelu and mish give one value everywhere.
# So: no single value is "PyTorch's" there; a reference taken from a short tensor differs from a long one's.
set -eu
. "$(dirname "$0")/lib.sh"
python_with torch==2.15.0 numpy==2.4.6 <<'PY'
import math, torch
import torch.nn.functional as F

def gradient(f, n):
    x = torch.full((n,), math.nan, requires_grad=True)
    return torch.autograd.grad(f(x).sum(), x)[0].tolist()

def same(a, b):
    return a == b or (a != a and b != b)

two = {"elu": (math.nan, 1.0), "celu": (math.nan, 1.0), "selu": (math.nan, 1.0507010221481323), "relu6": (0.0, 1.0),
       "hardtanh": (0.0, 1.0), "softshrink": (0.0, 1.0), "hardshrink": (0.0, 1.0)}
for name, (whole, rest) in two.items():
    long, short = gradient(getattr(F, name), 37), gradient(getattr(F, name), 7)
    print("%s: %g in front, %g at the end, %g in a short tensor" % (name, long[0], long[-1], short[0]))
    assert all(same(g, whole) for g in long[:32]) and all(same(g, rest) for g in long[32:] + short)
for name in ("leaky_relu", "hardsigmoid", "softplus", "silu", "gelu", "mish"):
    long, short = gradient(getattr(F, name), 37), gradient(getattr(F, name), 7)
    print("%s: %g everywhere" % (name, long[0]))
    assert all(same(g, long[0]) for g in long + short)
PY
