#!/bin/sh
# ncnn's activations on x86 lose NaN, overflow, and depend on where in a row a value lies.
#
# Guess: as in other engines: NaN stays NaN, softplus(x) is x for large x, one value for one input wherever it lies.
# Seen with ncnn 1.0.20261020 (x86-64 with AVX2 or more, float32, one thread), rows of 37 equal numbers: Sigmoid of NaN is a number below
# 1e-30 and TanH of NaN is -1. Clip(0, 6) of NaN is 6 in whole vectors and 0 in the row's last element. Softplus is 88 at 88 and infinite at
# 89. GELU of minus infinity is NaN (PyTorch: -0). Mish at -20 is 0 in whole vectors (right: -4.1e-8).
# So: a NaN that appears inside a network can come out of ncnn as an ordinary number; comparisons with it leave NaN, infinities and softplus
# above 88 out, and use a tolerance between elements of one tensor.
set -eu
. "$(dirname "$0")/lib.sh"
python_with ncnn==1.0.20261020 numpy==2.4.6 <<'PY'
import math, ncnn, numpy as np

def run(layer, value, options=""):
    with open("net.param", "w") as f:
        f.write("7767517\n2 2\nInput in 0 1 a\n%s l 1 1 a b %s\n" % (layer, options))
    open("net.bin", "wb").close()
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = 1
    assert net.load_param("net.param") == 0
    net.load_model("net.bin")
    x = ncnn.Mat(np.full(37, value, np.float32)).clone()
    with net.create_extractor() as extractor:
        extractor.input("a", x)
        y = np.array(extractor.extract("b")[1]).copy()
    print("%s(%g): first %g, last %g" % (layer, value, y[0], y[-1]))
    return float(y[0]), float(y[-1])

assert all(0 <= y < 1e-30 for y in run("Sigmoid", math.nan))
assert run("TanH", math.nan) == (-1, -1)
assert run("Clip", math.nan, "0=0 1=6") == (6, 0)
assert run("Softplus", 88.0) == (88, 88)
assert run("Softplus", 89.0) == (math.inf, math.inf)
assert all(math.isnan(y) for y in run("GELU", -math.inf))
assert run("Mish", -20.0)[0] == 0
print("as described")
PY
