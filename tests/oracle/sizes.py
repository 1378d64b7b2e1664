"""Golden numbers from PyTorch for tests/tools/layers.c: axes that are c * N + d of a run-time size, forward and gradient,
for every N from the least that the entry takes to the bound.

    python tests/oracle/sizes.py        writes tests/nets/sizes.dl and tests/golden/data/sizes.txt

Each case is two entries: a `model` over the caller's arrays, which are dense in the given size, and a `train` over
parameters of the bound's extents, of which the first elements of each run-time axis are gathered: the optimizer `take`
then leaves d sum(y * w) / d input in them, and zero after what was taken.
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
            leading = all(isinstance(d, int) for d in inputs[k][1:])  # then it is the first numbers of the whole
            write("arg", k, v, origin[k] if leading else None)
        write("out", "y", y)
        out.append(f"case {name}t {lines[-1].strip()}\nsize {n}")
        for k, v in leaves.items():
            write("param", f"{name}_{k}", v, origin[k])
        write("arg", "w", w, layers.drawn_from[id(w)][1])
        write("out", "y", y)
        for k, v in leaves.items():
            write("grad", f"{name}_{k}", v.grad)
    args = ", ".join(f"{k}: {text_of(d)}" for k, d in inputs.items())
    dl.append(f"model {name}m({args}) -> (y: {text_of(y_dims)}) {{\n" +
              "\n".join(f"    {s.strip()}" for s in lines) + "\n    return y\n}")
    takes = []
    for k, dims in inputs.items():
        sized = [(axis, d) for axis, d in enumerate(dims) if not isinstance(d, int)]
        all_of = f"{k}_all" if sized else k
        takes.append(f'param {all_of} "{name}_{k}": {text_of(shape_of(dims, BOUND))} = zeros()')
        takes += [f"{k} = gather({all_of}, iota([{d}]), axis={axis})" for axis, d in sized]
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
    # The run-time axis inside: what is merged or split is multiplied with and divided by N.
    case([2, "N", 5], "y = tanh(reshape(x, [2, N, 5]))", lambda n, x: torch.tanh(x.reshape(2, n, 5)), x=["2 * N", 5])
    case(["7 * N", 3], "y = exp(reshape(x, [7 * N, 3]))", lambda n, x: torch.exp(x.reshape(7 * n, 3)), x=[7, "N", 3])
    case([3, 5, "N"], "y = relu(reshape(x, [3, 5, N]))", lambda n, x: F.relu(x.reshape(3, 5, n)), x=[5, "N", 3])
    case(["N"], "y = mean(reshape(x, [4, N, 3]), axis=[0, 2])", lambda n, x: x.reshape(4, n, 3).mean((0, 2)),
         x=["12 * N"])
    # Tokens of batch N and 5 steps through a layer, then attention over the steps.
    case(["N", 5, 8], """
        q = reshape(reshape(x, [N * 5, 8]) @ wq, [N, 5, 2, 4]) |> transpose(1, 2)
        a = softmax(q @ transpose(q, 2, 3) * 0.5)
        y = reshape(transpose(a @ q, 1, 2), [N, 5, 8])""", attention, x=["N", 5, 8], wq=[8, 8])


def attention(n, x, wq):
    q = (x.reshape(n * 5, 8) @ wq).reshape(n, 5, 2, 4).transpose(1, 2)
    a = torch.softmax(q @ q.transpose(2, 3) * 0.5, -1)
    return (a @ q).transpose(1, 2).reshape(n, 5, 8)


def sliced():
    case(["N - 1", 3], "y = x[1:] - x[:-1]", lambda n, x: x[1:] - x[:-1], least=2, x=["N", 3])
    case([2, "N - 2", 20], "y = tanh(x[:, :-2] * x[:, 2:])", lambda n, x: torch.tanh(x[:, :-2] * x[:, 2:]), least=3,
         x=[2, "N", 20])
    case([3, 4], "y = exp(x[2:5])", lambda n, x: torch.exp(x[2:5]), least=5, x=["N", 4])
    case([3], "y = x[-1] * x[2] + x[-3]", lambda n, x: x[-1] * x[2] + x[-3], least=3, x=["N", 3])
    case(["N", 3], "y = x[:N] * x[N:] + x[::2]", lambda n, x: x[:n] * x[n:] + x[::2], x=["2 * N", 3])
    case(["N", 17], "y = tanh(flip(x, 0) @ w1)", lambda n, x, w1: torch.tanh(x.flip(0) @ w1), x=["N", 9], w1=[9, 17])
    case(["N - 1", 2], "y = x[-2::-1]", lambda n, x: x.flip(0)[1:], least=2, x=["N", 2])
    # A table of positions, of which N are used; the last N of it.
    case([2, "N", 8], "y = relu(x + t[:N])", lambda n, x, t: F.relu(x + t[:n]), x=[2, "N", 8], t=[BOUND, 8])
    case(["N", 8], "y = t[-N:] + x", lambda n, x, t: t[9 - n:] + x, x=["N", 8], t=[9, 8])
    case(["N + 1", 3], "y = narrow(x, 0, N - 1, N + 1)", lambda n, x: x.narrow(0, n - 1, n + 1), x=["2 * N", 3])
    case(["N", 4], """
        a, b = split(x, 2)
        y = a * b""", lambda n, x: x[:n] * x[n:], x=["2 * N", 4])
    case(["N", 4], """
        a, b = split(x, [3, N])
        y = sum(a, axis=0) * b""", lambda n, x: x[:3].sum(0) * x[3:], x=["N + 3", 4])


def chained():
    # One after the other, which the kernels see as one index.
    case(["10 * N"], "y = exp(reshape(x[:, 1:-1], [10 * N]))", lambda n, x: torch.exp(x[:, 1:-1].reshape(-1)),
         x=["2 * N", 7])
    case(["14 * N - 28"], "y = reshape(reshape(reshape(concat([x, x], axis=1), [-1]), [2, 7 * N - 14]), [-1]) * 2",
         lambda n, x: torch.cat([x, x], 1).reshape(-1) * 2, least=3, x=["N - 2", 7])
    case(["N - 2", 8], "y = tanh(x @ w1)", lambda n, x, w1: torch.tanh(x @ w1), least=3, x=["N - 2", 5], w1=[5, 8])
    case(["N", 4], "y = exp(pad(reshape(x, [N, 2]), [0, 2]))", lambda n, x: torch.exp(F.pad(x.reshape(n, 2), (0, 2))),
         x=["2 * N"])


def joined():
    # Two views in one batch.
    case(["2 * N", 8], "y = concat([a, b], axis=0) @ w1", lambda n, a, b, w1: torch.cat([a, b]) @ w1, a=["N", 16],
         b=["N", 16], w1=[16, 8])
    case([], """
        z = tanh(concat([a, b]) @ w1)
        y = sum(z[:N] * z[N:]) / N""",
         lambda n, a, b, w1: (torch.tanh(a @ w1) * torch.tanh(b @ w1)).sum() / n, a=["N", 16], b=["N", 16], w1=[16, 8])
    # A class token before a sequence, and after it.
    case([2, "N + 1", 8], "y = softmax(concat([broadcast(c, [2, 1, 8]), x], axis=1))",
         lambda n, c, x: torch.softmax(torch.cat([c.expand(2, 1, 8), x], 1), -1), c=[8], x=[2, "N", 8])
    case([2, "N + 1", 8], "y = exp(concat([x, broadcast(c, [2, 1, 8])], axis=1))",
         lambda n, c, x: torch.exp(torch.cat([x, c.expand(2, 1, 8)], 1)), c=[8], x=[2, "N", 8])
    case([2, "2 * N + 3"], "y = tanh(concat([a, b, a], axis=1))", lambda n, a, b: torch.tanh(torch.cat([a, b, a], 1)),
         a=[2, "N"], b=[2, 3])
    # Parts that kernels make, in place where that can be: the fixed one first.
    case(["N + 3", 6], "y = relu(concat([a @ w1, b @ w1]) - 0.1) * 2",
         lambda n, a, b, w1: F.relu(torch.cat([a @ w1, b @ w1]) - 0.1) * 2, a=[3, 5], b=["N", 5], w1=[5, 6])
    case(["N + 3", 6], "y = sum(concat([b @ w1, a @ w1]) ** 2) * concat([b @ w1, a @ w1])",
         lambda n, a, b, w1: (torch.cat([b @ w1, a @ w1]) ** 2).sum() * torch.cat([b @ w1, a @ w1]), a=[3, 5],
         b=["N", 5], w1=[5, 6])
    case(["N + 3", 7], "y = exp(pad(x, [0, 0, 2, 1]))", lambda n, x: torch.exp(F.pad(x, (0, 0, 2, 1))), x=["N", 7])
    case(["N", 7], "y = tanh(pad(x, [0, 0, 2, -2]))", lambda n, x: torch.tanh(F.pad(x[:n - 2], (0, 0, 2, 0))), least=3,
         x=["N", 7])
    case([1, 2, "N + 4"], 'y = exp(pad(x, [2, 2], mode="reflect"))',
         lambda n, x: torch.exp(F.pad(x, (2, 2), mode="reflect")), least=3, x=[1, 2, "N"])
    case([1, 2, "N + 3"], 'y = exp(pad(x, [1, 2], mode="circular"))',
         lambda n, x: torch.exp(F.pad(x, (1, 2), mode="circular")), least=2, x=[1, 2, "N"])
    case([1, 2, "N + 3"], 'y = exp(pad(x, [1, 2], mode="replicate"))',
         lambda n, x: torch.exp(F.pad(x, (1, 2), mode="replicate")), x=[1, 2, "N"])
    # A causal shift, and differences within a window.
    case(["N", 5], "y = concat([x[:1] * 0, x[:-1]]) + x", lambda n, x: torch.cat([x[:1] * 0, x[:-1]]) + x, least=2,
         x=["N", 5])
    case(["4 * N - 3", 20], "y = relu(x) * sum(x, axis=0) - cumsum(x, 0)",
         lambda n, x: F.relu(x) * x.sum(0) - x.cumsum(0), x=["4 * N - 3", 20])
    # 9 - N is at least 3: counted from the start, as -N is from the end.
    case(["N", 8], "y = t[9 - N:] * x", lambda n, x, t: t[9 - n:] * x, x=["N", 8], t=[9, 8])


if __name__ == "__main__":
    merged()
    sliced()
    joined()
    chained()
    here = os.path.join(layers.HERE, "..")
    with open(os.path.join(here, "nets", "sizes.dl"), "w") as f:
        f.write("# Printed by tests/oracle/sizes.py: two entries for each case of tests/golden/data/sizes.txt.\n"
                f"dim N <= {BOUND}\noptimizer take(p: T[...S], g: T[...S], t: i64[]) {{ return g }}\n\n" + "\n".join(dl))
    with open(os.path.join(here, "golden", "data", "sizes.txt"), "w") as f:
        f.write("\n".join(out) + "\n")
    print(len(dl), "entries")
