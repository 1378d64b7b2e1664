#!/bin/sh
# tinygrad's tanh of small numbers has four correct digits where float32 has seven.
#
# Guess: within a few units in the last place, as in the C library and in PyTorch.
# Seen with tinygrad 0.14.0 (CPU): tanh(1e-4) = 1.0001659e-4 (the true value is 9.9999999667e-5): it is 2 * sigmoid(2x) - 1, and the subtraction
# of 1 leaves the rounding error of numbers near 1. tanh(1e-8) is 0.
# So: compare recurrent networks with small pre-activations (right after initialisation) by absolute error, not by relative error.
set -eu
. "$(dirname "$0")/lib.sh"
export DEV=CPU
python_with tinygrad==0.14.0 numpy==2.4.6 <<'PY'
import numpy as np
from tinygrad import Tensor
x = np.array([1e-2, 1e-4, 1e-6, 1e-8], np.float32)
got, true = Tensor(x).tanh().numpy(), np.tanh(x.astype(np.float64))
error = np.abs(got - true) / true
for row in zip(x.tolist(), got.tolist(), error.tolist()): print("tanh(%g) = %.9g, relative error %.2g" % row)
assert error[1] > 1e-4 and got[3] == 0
PY
