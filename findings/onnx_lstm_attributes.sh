#!/bin/sh
# Attributes of ONNX's LSTM change the result in one engine and are passed over in the next, without a word.
#
# Guess: clip bounds the input of every activation, input_forget=1 makes the forget gate 1 - i, activations replaces the three functions; an
# engine without one of these refuses the model, and onnx.reference has them all.
# Seen with onnx 1.23.2, onnxruntime 1.32.0, openvino 2026.4.1 (CPU), beside the equations in NumPy:
#   clip=0.5              both engines clip the gates, and neither the cell in front of the last tanh; onnx.reference does not clip at all
#   input_forget=1        onnxruntime couples the gates; OpenVINO and onnx.reference compute the usual forget gate
#   activations with Relu both engines use it; onnx.reference computes tanh
# Nobody raised an error or a warning.
# So: a model with coupled gates gives other numbers in OpenVINO, and the reference is no oracle for an LSTM with any of these attributes.
set -eu
. "$(dirname "$0")/lib.sh"
python_with numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1 <<'PY'
import numpy as np, onnxruntime, openvino
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

STEPS, BATCH, INPUTS, HIDDEN = 4, 2, 3, 3
draw = np.random.default_rng(1).standard_normal
GIVEN = {k: v.astype(np.float32) for k, v in {
    "x": 3 * draw((STEPS, BATCH, INPUTS)), "w": draw((1, 4 * HIDDEN, INPUTS)), "r": draw((1, 4 * HIDDEN, HIDDEN)),
    "b": draw((1, 8 * HIDDEN))}.items()}

def equations(clip=np.inf, clip_cell=np.inf, coupled=False, g=np.tanh):
    sigmoid = lambda v: 1 / (1 + np.exp(-v))
    cut = lambda v: np.clip(v, -clip, clip)
    h, c, ys = np.zeros((BATCH, HIDDEN)), np.zeros((BATCH, HIDDEN)), []
    for x in GIVEN["x"]:
        z = x @ GIVEN["w"][0].T + h @ GIVEN["r"][0].T + GIVEN["b"][0].reshape(2, -1).sum(0)
        i, o, f, n = (cut(part) for part in np.split(z, 4, axis=1))
        i, o, f = sigmoid(i), sigmoid(o), sigmoid(f)
        c = (1 - i if coupled else f) * c + i * g(n)
        h = o * np.tanh(np.clip(c, -clip_cell, clip_cell))
        ys.append(h)
    return np.stack(ys)

def results(**attributes):
    node = helper.make_node("LSTM", ["x", "w", "r", "b"], ["y"], hidden_size=HIDDEN, **attributes)
    inputs = [helper.make_tensor_value_info(k, TensorProto.FLOAT, v.shape) for k, v in GIVEN.items()]
    graph = helper.make_graph([node], "g", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    text = model.SerializeToString()
    ort = onnxruntime.InferenceSession(text, providers=["CPUExecutionProvider"]).run(None, GIVEN)[0]
    core = openvino.Core()
    ov = core.compile_model(core.read_model(text), "CPU")(GIVEN)[0]
    return {"onnxruntime": ort[:, 0], "openvino": ov[:, 0], "onnx.reference": ReferenceEvaluator(model).run(None, GIVEN)[0][:, 0]}

def check(what, attributes, **expected):
    for engine, got in results(**attributes).items():
        names = [name for name, want in expected.items() if np.abs(got - want).max() < 1e-5]
        print(f"{what:16} {engine:15} {' '.join(names)}")
        seen[what, engine] = names

seen = {}
plain = equations()
check("no attribute", {}, plain=plain)
check("clip", {"clip": 0.5}, ignored=plain, gates=equations(clip=0.5), gates_and_cell=equations(0.5, 0.5))
check("input_forget", {"input_forget": 1}, ignored=plain, coupled=equations(coupled=True))
check("activations", {"activations": ["Sigmoid", "Relu", "Tanh"]}, ignored=plain, relu=equations(g=lambda v: np.maximum(v, 0)))
want = {"no attribute": ["plain"] * 3, "clip": ["gates", "gates", "ignored"], "input_forget": ["coupled", "ignored", "ignored"],
        "activations": ["relu", "relu", "ignored"]}
for what, names in want.items():
    for engine, name in zip(["onnxruntime", "openvino", "onnx.reference"], names):
        assert seen[what, engine] == [name], (what, engine, seen[what, engine])
PY
