#!/bin/sh
# ONNX Runtime's ReduceSum and ReduceProd of int32 saturate; its CumSum of the same numbers wraps.
#
# Guess: all three wrap modulo 2^32, as Add and Mul of int32 do (the ONNX text promises nothing, and its reference evaluator wraps).
# Seen with onnxruntime 1.32.0 (CPU): the sum of two 2,000,000,000 is 2147483647, the product of 65536, 65536 and 2 as well; CumSum ends at
# -294967296, and Add of the two gives the same. ReduceMean of the two is 2000000000, so it sums in a wider type.
# So: whether a sum of integers overflowed can be seen in one operator of the same engine and not in the next; an identity such as
# CumSum[-1] == ReduceSum does not hold.
set -eu
. "$(dirname "$0")/lib.sh"
python_with numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 <<'PY'
import numpy as np, onnxruntime
from onnx import TensorProto as T, helper as h

def run(op, *feeds, **attributes):
    names = ["a", "b"][: len(feeds)]
    inputs = [h.make_tensor_value_info(n, T.INT32, list(v.shape)) for n, v in zip(names, feeds)]
    graph = h.make_graph([h.make_node(op, names, ["y"], **attributes)], "g", inputs, [h.make_tensor_value_info("y", T.INT32, None)])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 21)], ir_version=10).SerializeToString()
    y = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, dict(zip(names, feeds)))[0]
    print(op, [v.tolist() for v in feeds], "->", y.tolist())
    return y.tolist()

i32 = lambda *a: np.array(a, np.int32)
two = i32(2000000000, 2000000000)
assert run("ReduceSum", two, keepdims=0) == 2147483647
assert run("ReduceProd", i32(65536, 65536, 2), keepdims=0) == 2147483647
assert run("CumSum", two, np.array(0, np.int32)) == [2000000000, -294967296]
assert run("Add", two[:1], two[1:]) == [-294967296]
assert run("ReduceMean", two, keepdims=0) == 2000000000
PY
