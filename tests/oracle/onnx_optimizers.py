"""Golden numbers of ONNX for tests/tools/layers.c: the optimiser cases of its test data: one step from a given state.

    python tests/oracle/onnx_optimizers.py [FOLDER]
                      writes tests/nets/onnx_optimizers.dl and tests/golden/data/onnx_optimizers.txt

FOLDER holds test_adagrad and the others, as /usr/share/libonnx-testdata/data/node of Debian's libonnx-testdata does. All
are first steps (T = 0); each case stands there again at T = 3, as ONNX's reference implementation has it.

Adagrad and Momentum are our adagrad and sgd: norm_coefficient is weight_decay, alpha is momentum, 1 - beta is dampening.
The first step is undamped in both, and ONNX's adds to the momentum that it is given, as ours does without dampening. ONNX's
Adam is not PyTorch's: its bias correction is a factor of the rate, eps is added to the root before it, and the first
step has none.
"""
import glob
import os
import sys

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

FOLDER = sys.argv[1] if len(sys.argv) > 1 else "/usr/share/libonnx-testdata/data/node"
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
NAMES = ["adagrad", "adagrad_multiple", "momentum", "momentum_multiple", "nesterov_momentum", "adam", "adam_multiple"]
SOURCE = ("# The optimiser cases of ONNX's test data (github.com/onnx/onnx, licence Apache-2.0), and the same with its\n"
          "# reference implementation at a later step; printed by tests/oracle/onnx_optimizers.py.\n")
dl, out = [], []


def call_of(node, first):
    """The optimiser in the language, its buffers in ONNX's order, and whether it counts steps."""
    a = {x.name: onnx.helper.get_attribute_value(x) for x in node.attribute}
    a = {k: v if isinstance(v, bytes) else f"{v:.9g}" for k, v in a.items()}
    if node.op_type == "Adagrad":
        return (f"adagrad(lr=lr, lr_decay={a['decay_factor']}, weight_decay={a['norm_coefficient']}, eps={a['epsilon']})",
                ["sum"], True)
    if node.op_type == "Momentum":
        options = f"lr=lr, momentum={a['alpha']}, weight_decay={a['norm_coefficient']}"
        if a["mode"] == b"nesterov":
            return f"sgd({options}, nesterov=true)", ["momentum_buffer"], False
        if first:
            return f"sgd({options})", ["momentum_buffer"], False
        return f"sgd({options}, dampening=1 - {a['beta']})", ["momentum_buffer"], True
    options = f"lr=lr, alpha={a['alpha']}, beta={a['beta']}, norm_coefficient={a['norm_coefficient']}"
    return f"onnx_adam({options}, epsilon={a['epsilon']})", ["v", "h"], True


def write(kind, name, value):
    value = np.asarray(value).reshape(-1)
    out.append(f"{kind} {name} {value.size} " + " ".join(f"{v:.9g}" for v in value))


def case(name, model, inputs, outputs):
    node, step = model.graph.node[0], int(inputs[1])
    call, buffers, counts = call_of(node, step == 0)
    entry = f"x{len(dl)}"
    n = (len(inputs) - 2) // (2 + len(buffers))
    out.append(f"case {entry} {name}, T = {step}: {call}")
    write("arg", "lr", inputs[0])
    if counts:
        write("param", f"optim.{entry}.0.t", step)
    groups = [inputs[2 + k * n:2 + k * n + n] for k in range(2 + len(buffers))]
    for p in range(n):
        path = f"{entry}_p{p}"
        write("param", path, groups[0][p])
        write("arg", f"g{p}", groups[1][p])
        for k, buffer in enumerate(buffers):
            write("param", f"optim.{entry}.0.{path}.{buffer}", groups[2 + k][p])
        for k, buffer in enumerate([None] + buffers):
            write("after", f"optim.{entry}.0.{path}.{buffer}" if buffer else path, outputs[k * n + p])
    args = ", ".join([f"g{p}: f32[{groups[0][p].size}]" for p in range(n)] + ["lr: f32[]"])
    params = "".join(f'    param p{p} "{entry}_p{p}": f32[{groups[0][p].size}] = zeros()\n' for p in range(n))
    dl.append(f"train {entry}({args}) -> (y: f32[]) {{\n{params}    y = {' + '.join(f'sum(p{p} * g{p})' for p in range(n))}\n"
              f"    minimize y with {call}\n    return y\n}}\n")


def read(path):
    tensor = onnx.TensorProto()
    with open(path, "rb") as f:
        tensor.ParseFromString(f.read())
    return numpy_helper.to_array(tensor)


if __name__ == "__main__":
    for name in NAMES:
        folder = os.path.join(FOLDER, "test_" + name)
        model = onnx.load(os.path.join(folder, "model.onnx"))
        if name == "adam_multiple":  # its numbers were made with this, and the node lacks it
            model.graph.node[0].attribute.append(onnx.helper.make_attribute("epsilon", 1e-2))
        data = os.path.join(folder, "test_data_set_0", "")
        inputs, outputs = ([read(f) for f in sorted(glob.glob(f"{data}{kind}_*.pb"))] for kind in ("input", "output"))
        case(name, model, inputs, outputs)
        inputs[1] = np.array(3)
        case(name, model, inputs, ReferenceEvaluator(model).run(None, dict(zip(model.graph.node[0].input, inputs))))
    adam = """
# ONNX's Adam, as a user would write it. T counts the steps before this one.
optimizer onnx_adam(p: T[...S], g: T[...S], t: i64[], lr: f32[], alpha: float, beta: float, norm_coefficient: float,
                    epsilon: float) {
    buffer v: T[...S] = zeros()
    buffer h: T[...S] = zeros()
    d = norm_coefficient * p + g
    v = alpha * v + (1 - alpha) * d
    h = beta * h + (1 - beta) * d * d
    T = cast(t - 1, f32)
    rate = select(t > 1, lr * sqrt(1 - beta ** T) / (1 - alpha ** T), lr)
    return p - rate * v / (sqrt(h) + epsilon)
}

"""
    with open(os.path.join(HERE, "nets", "onnx_optimizers.dl"), "w") as f:
        f.write(SOURCE + adam + "\n".join(dl))
    with open(os.path.join(HERE, "golden", "data", "onnx_optimizers.txt"), "w") as f:
        f.write(SOURCE + "\n".join(out) + "\n")
    print(len(dl), "cases")
