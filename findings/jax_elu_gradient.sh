#!/bin/sh
# JAX's gradient of elu and selu at strongly negative inputs keeps three to four digits.
#
# Guess: exp(x), to the last places, as PyTorch 2.15 gives it.
# Seen with jax 0.10.2 (CPU, float32): jax.grad(elu)(-12) = 6.1392784e-06, the true value is exp(-12) = 6.1442124e-06. JAX computes
# the derivative as expm1(x) + 1, which cancels most of the digits.
# So: where another framework differs from JAX by 1e-3 there, the other framework is right.
set -eu
. "$(dirname "$0")/lib.sh"
python_with jax==0.10.2 numpy==2.4.6 <<'PY'
import math, jax
for name, f, scale in (("elu", jax.nn.elu, 1.0), ("selu", jax.nn.selu, 1.7580993408473766)):
    got, true = float(jax.grad(f)(-12.0)), scale * math.exp(-12)
    print("%s'(-12) = %.8g, true %.8g" % (name, got, true))
    assert 5e-4 < abs(got - true) / true < 2e-3
PY
