#!/bin/sh
# tinygrad's sort loses a NaN and returns another element twice.
#
# Guess: a NaN comes last, as in PyTorch, or the order around it is undefined; but the result is a permutation of the input.
# Seen with tinygrad 0.14.0 (CPU): sort([3, nan, 2]) is [2, 3, 3]. Its bitonic network exchanges by maximum and minimum, and both return the number
# where one operand is NaN.
# So: a NaN in logits does not survive a sort (top-p sampling), and a probability is counted twice; look for NaN before.
set -eu
. "$(dirname "$0")/lib.sh"
export DEV=CPU
python_with tinygrad==0.14.0 numpy==2.4.6 <<'PY'
from tinygrad import Tensor
got = Tensor([3.0, float("nan"), 2.0]).sort()[0].numpy().tolist()
print("sort([3, nan, 2]) =", got)
assert got == [2.0, 3.0, 3.0]
PY
