#!/bin/sh
# The last window of a pool with ceil_mode: OpenVINO counts elements that do not exist in the divisor, and returns -3.4e38 for an empty window.
#
# Guess: engines that load ONNX agree with PyTorch's rule (a window may not start in the right padding; with count_include_pad the divisor counts
# the padding, but nothing beyond it).
# Seen: AveragePool of [1 .. 6], kernel 3, stride 2, pads 1, ceil_mode, count_include_pad: onnxruntime 1.32.0 and onnx 1.23.2's reference give
# [1, 3, 5, 3], as PyTorch does; openvino 2026.4.1 ends with 2 (6 / 3 instead of 6 / 2).
# MaxPool of [1 .. 6], kernel 2, stride 3, ceil_mode: [2, 5]; openvino adds a third output, -3.4028235e38. onnx's own shape inference
# also says 3, so onnxruntime warns that its output has 2.
# So: an exported network with ceil_mode pools is not the same network in each engine.
set -eu
. "$(dirname "$0")/lib.sh"
python_with numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1 <<'PY'
import numpy as np, onnxruntime, openvino
from onnx import TensorProto as T, helper as h, shape_inference
onnxruntime.set_default_logger_severity(3)
x = np.arange(1, 7, dtype=np.float32).reshape(1, 1, 6)

def both(op, **attributes):
    graph = h.make_graph([h.make_node(op, ["x"], ["y"], **attributes)], "g", [h.make_tensor_value_info("x", T.FLOAT, [1, 1, 6])],
                         [h.make_tensor_value_info("y", T.FLOAT, None)])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 21)], ir_version=10)
    inferred = shape_inference.infer_shapes(model).graph.output[0].type.tensor_type.shape.dim[2].dim_value
    data = model.SerializeToString()
    ort = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0].ravel().tolist()
    core = openvino.Core()
    ov = core.compile_model(core.read_model(data), "CPU")([x])[0].ravel().tolist()
    print(op, "onnxruntime", ort, "openvino", ov, "inferred length", inferred)
    return ort, ov, inferred

ort, ov, _ = both("AveragePool", kernel_shape=[3], strides=[2], pads=[1, 1], ceil_mode=1, count_include_pad=1)
assert ort == [1, 3, 5, 3] and ov == [1, 3, 5, 2]
ort, ov, inferred = both("MaxPool", kernel_shape=[2], strides=[3], ceil_mode=1)
assert ort == [2, 5] and ov[:2] == [2, 5] and len(ov) == 3 and ov[2] < -3.4e38 and inferred == 3
PY
