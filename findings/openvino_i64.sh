#!/bin/sh
# OpenVINO's CPU plugin computes int64 tensors in 32 bits, without a warning.
#
# Guess: an ONNX graph whose tensors are declared int64 is computed in int64, or refused.
# Seen with openvino 2026.4.1 (CPU): input and output ports are i64, the numbers wrap as int32: 2^40 + 1 is 1, 3000000000 * 3 is 410065408,
# and a float beyond the range of int32 that is cast to int64 becomes -2147483648. onnxruntime 1.32.0 gives the exact numbers.
# So: step counters, hashes and sums of squares of integers must be kept below 2^31 there, or checked with another engine.
set -eu
. "$(dirname "$0")/lib.sh"
python_with numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1 <<'PY'
import numpy as np, onnxruntime, openvino
from onnx import TensorProto as T, helper as h

def both(nodes, feeds, types, out):
    inputs = [h.make_tensor_value_info(k, types[k], list(v.shape)) for k, v in feeds.items()]
    graph = h.make_graph(nodes, "g", inputs, [h.make_tensor_value_info("y", out, None)])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 21)], ir_version=10).SerializeToString()
    ort = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, feeds)[0]
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model), "CPU")
    assert str(compiled.output(0).element_type) == "<Type: 'int64_t'>", compiled.output(0).element_type
    ov = compiled(list(feeds.values()))[0]
    print(nodes[0].op_type, [v.tolist() for v in feeds.values()], "onnxruntime", ort.tolist(), "openvino", ov.tolist())
    return ort.tolist(), ov.tolist()

i64 = lambda *a: np.array(a, np.int64)
binary = {"a": T.INT64, "b": T.INT64}
add = both([h.make_node("Add", ["a", "b"], ["y"])], {"a": i64(2**40), "b": i64(1)}, binary, T.INT64)
mul = both([h.make_node("Mul", ["a", "b"], ["y"])], {"a": i64(3000000000), "b": i64(3)}, binary, T.INT64)
cast = both([h.make_node("Cast", ["x"], ["y"], to=T.INT64)], {"x": np.array([3e12], np.float32)}, {"x": T.FLOAT}, T.INT64)
assert add == ([2**40 + 1], [1]), add
assert mul == ([9000000000], [410065408]), mul
assert cast == ([3000000053248], [-2147483648]), cast
PY
