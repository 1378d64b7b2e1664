#!/bin/sh
# A sequence of length 0 loses its initial state in ONNX Runtime and OpenVINO, and ONNX's own reference ignores lengths.
#
# Guess: with sequence_lens 0, no step runs, so Y_h (and Y_c) of that sequence is the initial state that was given; the reference evaluator
# of the onnx package gives what engines give.
# Seen with onnx 1.23.2, onnxruntime 1.32.0, openvino 2026.4.1 (CPU), operators LSTM, GRU and RNN, forward and reverse, lengths 0, 2 and 4 of
# 4 steps, initial states 0.5 and 0.25: both engines give Y = 0 (as one would expect) and Y_h = Y_c = 0 for the sequence of length 0. Y after
# the end of the one of length 2 is 0 and its Y_h is that of its last step. onnx.reference runs all 4 steps for every sequence: its Y is not
# 0 after the end, and only the sequence of full length agrees.
# So: an importer cannot take length 0 for "no step", and the reference is no oracle where lengths are given.
set -eu
. "$(dirname "$0")/lib.sh"
python_with numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1 <<'PY'
import io
import numpy as np, onnxruntime, openvino
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

STEPS, BATCH, INPUTS, HIDDEN = 4, 3, 2, 3
LENGTHS = np.array([0, 2, 4], np.int32)

def model(kind, direction):
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    draw = np.random.default_rng(1).standard_normal
    given = {"x": draw((STEPS, BATCH, INPUTS)), "w": draw((1, gates * HIDDEN, INPUTS)), "r": draw((1, gates * HIDDEN, HIDDEN)),
             "b": draw((1, 2 * gates * HIDDEN)), "lengths": LENGTHS, "h0": np.full((1, BATCH, HIDDEN), 0.5)}
    results = ["y", "h"]
    if kind == "LSTM":
        given["c0"] = np.full((1, BATCH, HIDDEN), 0.25)
        results.append("c")
    given = {name: value if value.dtype == np.int32 else value.astype(np.float32) for name, value in given.items()}
    node = helper.make_node(kind, list(given), results, hidden_size=HIDDEN, direction=direction)
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT32 if name == "lengths" else TensorProto.FLOAT, value.shape)
              for name, value in given.items()]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in results]
    graph = helper.make_graph([node], "one", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8), given

def by_onnxruntime(m, given):
    session = onnxruntime.InferenceSession(m.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, given)

def by_openvino(m, given):
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(io.BytesIO(m.SerializeToString())), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    results = compiled([given[i.get_any_name()] for i in compiled.inputs])
    return [results[k] for k in range(len(results))]

for kind in ("LSTM", "GRU", "RNN"):
    for direction in ("forward", "reverse"):
        m, given = model(kind, direction)
        ours, theirs = by_onnxruntime(m, given), by_openvino(m, given)
        for engine, results in (("onnxruntime", ours), ("openvino", theirs)):
            y, states = results[0], results[1:]
            print("%s %s by %s: length 0: y %g, states %s" % (kind, direction, engine, abs(y[:, 0, 0]).max(), [float(s[0, 0, 0]) for s in states]))
            assert not y[:, 0, 0].any() and not any(s[0, 0].any() for s in states)
            last = 1 if direction == "forward" else 0
            assert not y[2:, 0, 1].any() and np.array_equal(states[0][0, 1], y[last, 0, 1])
        assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(ours, theirs))
    m, given = model(kind, "forward")
    ours = by_onnxruntime(m, given)
    y, h = ReferenceEvaluator(m).run(None, given)[:2]
    print("%s by onnx.reference: after the end of length 2 %s" % (kind, y[3, 0, 1]))
    assert y[3, 0, 1].all() and h[0, 0].all()
    assert np.allclose(h[0, 2], ours[1][0, 2], atol=1e-5) and not np.allclose(h[0, 1], ours[1][0, 1], atol=1e-2)
PY
