#!/bin/sh
# numpy over ml_dtypes' bfloat16: the mean of a thousand ones is 0.256, np.sort with a NaN does not sort, dot and matmul differ in dtype.
#
# Guess: numpy treats bfloat16 as it treats float16: mean and std accumulate in float32, NaN sorts last, products keep the dtype.
# Seen with numpy 2.4.6 and ml_dtypes 0.6.0: the special case is for float16 alone. The accumulator is bfloat16 and stays at 256 (the next number
# is 258), so np.mean(np.ones(1000)) is 0.25585938 and the standard deviation of 300 equal numbers is 0.416. np.sort([3, nan, 2]) comes back
# as it was. np.dot gives bfloat16 and np.matmul of the same vectors float32.
# So: convert to float32 before any statistics of bfloat16 weights or activations in numpy; otherwise means of a checkpoint are silently wrong.
set -eu
. "$(dirname "$0")/lib.sh"
python_with numpy==2.4.6 ml_dtypes==0.6.0 <<'PY'
import numpy as np, ml_dtypes

bf16 = ml_dtypes.bfloat16
for dtype in (np.float16, bf16):
    ones = np.ones(1000, dtype)
    print(np.dtype(dtype).name, "mean of 1000 ones", np.mean(ones), "std of 300 threes", np.std(np.full(300, 3, dtype)),
          "sort [3, nan, 2]", np.sort(np.array([3, np.nan, 2], dtype)).tolist(),
          "dot", np.dot(ones, ones).dtype, "matmul", np.matmul(ones[None], ones[:, None]).dtype)
assert float(np.mean(np.ones(1000, np.float16))) == 1.0
assert float(np.mean(np.ones(1000, bf16))) == 0.255859375
assert float(np.std(np.full(300, 3, np.float16))) == 0.0
assert float(np.std(np.full(300, 3, bf16))) == 0.416015625
half, brain = (np.sort(np.array([3, np.nan, 2], d)).astype(np.float32) for d in (np.float16, bf16))
assert half[:2].tolist() == [2.0, 3.0] and np.isnan(half[2])
assert brain[0] == 3.0 and np.isnan(brain[1]) and brain[2] == 2.0
ones = np.ones(1000, bf16)
assert np.dot(ones, ones).dtype == bf16 and np.matmul(ones[None], ones[:, None]).dtype == np.float32
PY
