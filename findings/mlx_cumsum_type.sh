#!/bin/sh
# MLX widens sums of small integers and of half floats; its cumulative sums stay in the element's type.
#
# Guess: cumsum(x)[-1] equals sum(x) in value and type (NumPy and PyTorch widen both for integers).
# Seen with mlx 0.32.4 (CPU): sum and prod of (u)int8 and (u)int16 are (u)int32, cumsum and cumprod keep the 8 or 16 bits and wrap: the running
# sum of 300 ones in uint8 ends with 44. bool: sum, prod and cumsum are int32, cumprod is bool. Half floats: the sum of 5,000 ones in float16
# is 5000, its running sum stops at 2048, where adding 1 changes nothing; bfloat16's at 256, while the sum of 3,000 ones is 3008.
# So: cast before cumsum, and do not take one for a check of the other.
set -eu
. "$(dirname "$0")/lib.sh"
python_with "mlx[cpu]==0.32.4" <<'PY'
import mlx.core as mx

for dtype, wide in ((mx.uint8, mx.uint32), (mx.int8, mx.int32), (mx.uint16, mx.uint32), (mx.int16, mx.int32)):
    x = mx.ones(3).astype(dtype)
    print("%s: sum %s, prod %s, cumsum %s, cumprod %s" % (dtype, mx.sum(x).dtype, mx.prod(x).dtype, mx.cumsum(x).dtype, mx.cumprod(x).dtype))
    assert mx.sum(x).dtype == mx.prod(x).dtype == wide
    assert mx.cumsum(x).dtype == mx.cumprod(x).dtype == dtype

flags = mx.array([True] * 300)
assert mx.sum(flags).dtype == mx.prod(flags).dtype == mx.cumsum(flags).dtype == mx.int32 and mx.cumprod(flags).dtype == mx.bool_
assert mx.cumsum(flags)[-1].item() == 300

for dtype, n, total, last in ((mx.uint8, 300, 300, 44), (mx.float16, 5000, 5000, 2048), (mx.bfloat16, 3000, 3008, 256)):
    x = mx.ones(n).astype(dtype)
    print("%s, %d ones: sum %g, end of cumsum %g" % (dtype, n, mx.sum(x).item(), mx.cumsum(x)[-1].item()))
    assert mx.sum(x).item() == total and mx.cumsum(x)[-1].item() == last
print("as described")
PY
