"""Golden numbers from PyTorch for tests/tools/layers.c: axes that are c * N + d of a run-time size, forward and gradient,
for every N from the least that the entry takes to the bound.

    python tests/oracle/sizes.py        writes tests/nets/sizes.dl and tests/golden/data/sizes.txt

Each case is two entries: a `model` over the caller's arrays, which are dense in the given size, and a `train` over
parameters of the bound's extents, of which the first elements of each run-time axis are gathered: the optimizer `take`
then leaves d sum(y * w) / d input in them, and zero behind what was taken.
"""
import os

import torch
import torch.nn.functional as F

import layers
from layers import uniform, write

BOUND = 6
dl, out = layers.dl, layers.out
count = 0


def extent(dim, n):
    return dim if isinstance(dim, int) else eval(dim, {"N": n})


def shape_of(dims, n):
    return tuple(extent(d, n) for d in dims)


def text_of(dims):
    return f"f32[{', '.join(map(str, dims))}]"


def case(y_dims, body, torch_fn, least=1, **inputs):
    """body: statements in the language, the last of which sets y; torch_fn(n, **inputs); an input is its dims."""
    global count
    name, seed = f"s{count}", 500 + 10 * count
    count += 1
    whole = {k: uniform(seed + i, shape_of(d, BOUND), -1, 1) for i, (k, d) in enumerate(inputs.items())}
    origin = {k: layers.drawn_from[id(v)][1] for k, v in whole.items()}
    lines = body.strip().splitlines()
    for n in range(least, BOUND + 1):
        leaves = {k: v.double().requires_grad_() for k, v in whole.items()}
        seen = {k: leaves[k][tuple(slice(s) for s in shape_of(d, n))] for k, d in inputs.items()}
        y = torch_fn(n, **seen)
        w = uniform(seed + 9, tuple(y.shape), -1, 1)
        (y * w.double()).sum().backward()
        out.append(f"case {name}m {lines[-1].strip()}\nsize {n}")
        for k, v in seen.items():
            write("arg", k, v)
        write("out", "y", y)
        out.append(f"case {name}t {lines[-1].strip()}\nsize {n}")
        for k, v in leaves.items():
            write("param", f"{name}_{k}", v, origin[k])
        write("arg", "w", w)
        write("out", "y", y)
        for k, v in leaves.items():
            write("grad", f"{name}_{k}", v.grad)
    args = ", ".join(f"{k}: {text_of(d)}" for k, d in inputs.items())
    dl.append(f"model {name}m({args}) -> (y: {text_of(y_dims)}) {{\n" +
              "\n".join(f"    {s.strip()}" for s in lines) + "\n    return y\n}")
    takes = []
    for k, dims in inputs.items():
        takes.append(f'param {k} "{name}_{k}": {text_of(shape_of(dims, BOUND))} = zeros()')
        takes += [f"{k} = gather({k}, iota([{d}]), axis={axis})" for axis, d in enumerate(dims) if not isinstance(d, int)]
    dl.append(f"train {name}t(w: {text_of(y_dims)}) -> (y: {text_of(y_dims)}) {{\n" +
              "\n".join(f"    {s.strip()}" for s in takes + lines) +
              "\n    minimize sum(y * w) with take()\n    return y\n}\n")


def merged():
    # A convolution over batch and time, a linear layer over tokens, and their results apart again.
    case(["N", 3, 4], """
        h = convolve(reshape(x, [N * 3, 2, 5, 5]), k, 1, 0, 1, 1)
        y = reshape(mean(h, axis=[2, 3]), [N, 3, 4])""",
         lambda n, x, k: F.conv2d(x.reshape(n * 3, 2, 5, 5), k).mean((2, 3)).reshape(n, 3, 4),
         x=["N", 3, 2, 5, 5], k=[4, 2, 3, 3])
    case(["7 * N", 5], "y = tanh(reshape(x, [-1, 9]) @ w1)", lambda n, x, w1: torch.tanh(x.reshape(-1, 9) @ w1),
         x=["N", 7, 9], w1=[9, 5])
    case(["N", 21], "y = flatten(x * 2)", lambda n, x: (x * 2).reshape(n, 21), x=["N", 7, 3])
    case(["21 * N"], "y = exp(reshape(x, [-1]))", lambda n, x: torch.exp(x.reshape(-1)), x=["N", 7, 3])
    case(["3 * N", 10], "y = softmax(reshape(x, [3 * N, 10]))", lambda n, x: F.softmax(x.reshape(3 * n, 10), 1),
         x=["6 * N", 5])
    case(["N", 2, 15], "y = relu(reshape(x, [N, 2, 15]))", lambda n, x: F.relu(x.reshape(n, 2, 15)), x=["2 * N", 3, 5])
    case(["2 * N + 2", 4], "y = reshape(x - mean(x), [2 * N + 2, 4])",
         lambda n, x: (x - x.mean()).reshape(2 * n + 2, 4), x=["N + 1", 8])
    case(["N", 4], "y = sum(reshape(x, [N, 5, 4]), axis=1) / shape(x, 0)",
         lambda n, x: x.reshape(n, 5, 4).sum(1) / (5 * n), x=["5 * N", 4])


if __name__ == "__main__":
    merged()
    here = os.path.join(layers.HERE, "..")
    with open(os.path.join(here, "nets", "sizes.dl"), "w") as f:
        f.write("# Printed by tests/oracle/sizes.py: two entries for each case of tests/golden/data/sizes.txt.\n"
                f"dim N <= {BOUND}\noptimizer take(p: T[...S], g: T[...S], t: i64[]) {{ return g }}\n\n" + "\n".join(dl))
    with open(os.path.join(here, "golden", "data", "sizes.txt"), "w") as f:
        f.write("\n".join(out) + "\n")
    print(len(dl), "entries")
