#!/bin/sh
# A NaN that a network computes disappears in inference engines, depending on its place and on the operator that reads it.
#
# Guess: NaN propagates through relu, max and pools as it does in PyTorch, so that a broken network shows.
# Seen (CPU, float32): onnxruntime 1.32.0 ReduceMax of [nan, 1, 2, -1] is nan, of [1, nan, 2, -1] it is 2; MaxPool drops NaN (so does onnx 1.23.2's
# reference evaluator); ArgMax of [1, nan, 2, nan] is 2, numpy's and PyTorch's is 1. openvino 2026.4.1: Relu(nan) = 0 and HardSigmoid(nan) = 1,
# yet HardSwish, Elu and LeakyRelu keep it; Max returns its second operand where either one is NaN; GlobalMaxPool keeps what MaxPool drops.
# So: the absence of NaN in an engine's output is no evidence of its absence inside; check with the framework.
set -eu
. "$(dirname "$0")/lib.sh"
python_with numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1 <<'PY'
import numpy as np, onnxruntime, openvino
from onnx import TensorProto as T, helper as h
n = float("nan")

def run(op, *arrays, out=T.FLOAT, **attributes):
    names = ["a", "b"][: len(arrays)]
    feeds = {k: np.array(v, np.float32) for k, v in zip(names, arrays)}
    inputs = [h.make_tensor_value_info(k, T.FLOAT, list(v.shape)) for k, v in feeds.items()]
    graph = h.make_graph([h.make_node(op, names, ["y"], **attributes)], "g", inputs, [h.make_tensor_value_info("y", out, None)])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 21)], ir_version=10).SerializeToString()
    ort = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, feeds)[0].ravel().tolist()
    core = openvino.Core()
    ov = core.compile_model(core.read_model(model), "CPU")(list(feeds.values()))[0].ravel().tolist()
    print(op, arrays, "onnxruntime", ort, "openvino", ov)
    return str(ort), str(ov)

assert run("ReduceMax", [n, 1, 2, -1], keepdims=0) == ("[nan]", "[2.0]")
assert run("ReduceMax", [1, n, 2, -1], keepdims=0) == ("[2.0]", "[2.0]")
assert run("ArgMax", [1, n, 2, n], out=T.INT64, axis=0, keepdims=0) == ("[2]", "[2]")
assert run("MaxPool", [[[1, n, 2, -1, n]]], kernel_shape=[2]) == ("[1.0, 2.0, 2.0, -1.0]",) * 2
assert run("GlobalMaxPool", [[[1, n, 2, -1, n]]]) == ("[2.0]", "[nan]")
assert run("Relu", [n, 1]) == ("[nan, 1.0]", "[0.0, 1.0]")
assert run("HardSigmoid", [n, 10]) == ("[nan, 1.0]", "[1.0, 1.0]")
assert run("HardSwish", [n, 10]) == ("[nan, 10.0]", "[nan, 10.0]")
assert run("Max", [1, n], [n, 1]) == ("[nan, nan]", "[nan, 1.0]")
PY
