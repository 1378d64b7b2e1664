"""Golden numbers from PyTorch for tests/tools/layers.c: what a word means at the edges of its arguments, where a wrong
answer would be a silent one.

    python tests/oracle/edges.py        writes tests/nets/edges.dl and tests/golden/data/edges.txt

Where PyTorch refuses what the language takes, the numbers are written out here, and the row says why.
"""
import os

import torch

import layers
from layers import case, type_of, uniform, write

BOUND = 5
inf, nan = float("inf"), float("nan")


def entry(text, args, params, body, out=None, grads=None, after=None, size=None):
    """A train entry of its own: `body` over arguments and parameters, which returns y. What a storage holds afterwards is
    in `grads` (of the optimizer `take`) or `after`."""
    name = f"c{layers.count}"
    layers.count += 1
    layers.out.append(f"case {name} {text}")
    if size:
        layers.out.append(f"size {size}")
    for k, v in args.items():
        write("arg", k, v)
    for k, v in params.items():
        write("param", k.replace("NAME", name), v)
    if out is not None:
        write("out", "y", out)
    for kind, values in (("grad", grads), ("after", after)):
        for k, v in (values or {}).items():
            write(kind, k.replace("NAME", name), v)
    layers.dl.append(body.replace("NAME", name))


def clipped():
    """clip_norm over two parameters with every kind of norm, and with totals that are no numbers."""
    small = [torch.tensor([3.0, -4.0, 0.5]), torch.tensor([[0.25, -1.0], [2.0, 0.0]])]
    rows = [(small, 1.0, p) for p in (1.0, 2.0, 3.5, 0.5, inf)]
    rows += [(small, bound, p) for bound in (0.0, 100.0, inf) for p in (2.0, inf)]
    for odd in ([nan, 1.0, -2.0], [inf, 1.0, -2.0], [-inf, 1.0, 0.0], [1e30, 1.0, -1e25], [0.0, 0.0, 0.0]):
        rows += [([torch.tensor(odd), small[1]], 1.0, p) for p in (1.0, 2.0, 3.0, inf)]
    for grads, bound, p in rows:
        leaves = [torch.nn.Parameter(torch.zeros_like(g)) for g in grads]
        for leaf, g in zip(leaves, grads):
            leaf.grad = g.clone()
        torch.nn.utils.clip_grad_norm_(leaves, bound, norm_type=p)
        call = f"clip_norm({bound}, norm_type={p})"
        entry(call, {"ga": grads[0], "gb": grads[1]}, {}, f"""train NAME(ga: f32[3], gb: f32[2, 2]) -> (y: f32[]) {{
    param a "NAME_a": f32[3] = zeros()
    param b "NAME_b": f32[2, 2] = zeros()
    y = sum(a * ga) + sum(b * gb)
    minimize y with {call} |> take()
    return y
}}
""", grads={"NAME_a": leaves[0].grad, "NAME_b": leaves[1].grad})


def norms_of_one():
    """Statistics of one value a channel, which PyTorch refuses in training: the variance stays, the mean moves. Of more
    they move as in PyTorch."""
    mean, var = torch.tensor([0.5, -1.0, 2.0]), torch.tensor([1.5, 0.25, 3.0])
    for call, momentum, shape, make in (
            ("batch_norm", 0.1, "N, 3", lambda n, x: torch.nn.BatchNorm1d(3, affine=False)),
            ("batch_norm", 0.3, "N, 3, 1", lambda n, x: torch.nn.BatchNorm1d(3, momentum=0.3, affine=False)),
            ("batch_norm", None, "N, 3", lambda n, x: torch.nn.BatchNorm1d(3, momentum=None, affine=False)),
            ("instance_norm", 0.1, "2, 3, N",
             lambda n, x: torch.nn.InstanceNorm1d(3, track_running_stats=True))):
        for n in (1, 2, BOUND):
            x = uniform(61, [n if d == "N" else int(d) for d in shape.split(", ")], -2, 2)
            count = 4
            if n > 1:
                net = make(n, x)
                net.running_mean.copy_(mean), net.running_var.copy_(var), net.num_batches_tracked.fill_(count)
                y, new = net(x), (net.running_mean, net.running_var)
                tracked = net.num_batches_tracked.item()
            else:
                tracked = count + (call == "batch_norm")  # an InstanceNorm does not count
                share = 1 / (count + 1) if momentum is None else momentum
                y, new = torch.zeros_like(x), ((1 - share) * mean + share * x.transpose(0, 1).reshape(3, -1).mean(1), var)
            options = f"momentum={momentum or 'none'}, affine=false, track_running_stats=true"
            before = {"running_mean": mean, "running_var": var, "num_batches_tracked": torch.tensor(count)}
            then = {"running_mean": new[0], "running_var": new[1], "num_batches_tracked": torch.tensor(tracked)}
            entry(f"{call}({options}) of ({shape}), N={n}", {"x": x}, {f"NAME.{k}": v for k, v in before.items()},
                  f"""train NAME(x: f32[{shape}]) -> (y: f32[{shape}]) {{
    return {call}(x, {options}, name="NAME")
}}
""", out=y, after={f"NAME.{k}": v for k, v in then.items()}, size=n)


def indices():
    """gather counts negative indices from the end, and clamps what is out of range, where PyTorch refuses it. embedding
    clamps negative ones to 0; scatter_add drops them."""
    x = uniform(62, (3, 4), -2, 2)
    for dtype, least, most in ((torch.int32, -2**31, 2**31 - 1), (torch.int64, -2**62, 2**62)):
        i = torch.tensor([[-1, 0, 2], [-3, 1, -2], [3, -4, 2], [least, most, -1]], dtype=dtype)
        case("gather(x, i)", lambda x, i: x[i.long().clamp(-3, 2)], {"x": x, "i": i})
        case("gather(x, i, 1)", lambda x, i: x[:, i.long().clamp(-4, 3)], {"x": x, "i": i})
        case("gather(x, clip(i, -2, 1), -1)", lambda x, i: x[:, i.long().clamp(-2, 1)], {"x": x, "i": i})
        case("gather(x, max(i, 0), -1)", lambda x, i: x[:, i.long().clamp(0, 3)], {"x": x, "i": i})
        case('embedding(i, 5, 2, name="NAME")', lambda i, weight: weight[i.long().clamp(0, 4)], {"i": i},
             params={"weight": uniform(63, (5, 2), -1, 1)})
        case('embedding(i, 5, 2, padding_idx=-4, name="NAME")',
             lambda i, weight: torch.nn.functional.embedding(i.long().clamp(0, 4), weight, padding_idx=-4), {"i": i},
             params={"weight": uniform(63, (5, 2), -1, 1)})
        j = torch.tensor([-1, 0, 2, 2, 3, least, most], dtype=dtype)
        s = uniform(64, (7, 4), -1, 1)
        case("scatter_add(x, j, s)", lambda x, j, s: x.index_add(0, j[1:4].long(), s[1:4]), {"x": x, "j": j, "s": s})
    for text, index in (("full([2], -1, i64)", [-1, -1]), ("full([2], -4, i32)", [0, 0]), ("full([2], 7, i32)", [2, 2]),
                        ("iota([3], 0, i32) - 2", [-2, -1, 0]), ("-iota([3], 0, i64)", [0, -1, -2])):
        case(f"gather(x, {text})", lambda x: x[torch.tensor(index)], {"x": x})
    # from the end of a run-time size: of the rows that this call has, not of the bound
    for n in (1, 3, BOUND):
        z, i = uniform(65, (n, 2), -2, 2), torch.tensor([-1, 0, -3, 4, -5, -6])
        entry(f"gather(z, i) of N={n}", {"z": z, "i": i}, {}, """train NAME(z: f32[N, 2], i: i64[6]) -> (y: f32[6, 2]) {
    param w "NAME_w": f32[2] = zeros()
    y = gather(z + w, i)
    minimize sum(y * y) with take()
    return y
}
""", out=z[i.clamp(-n, n - 1)], grads={"NAME_w": 2 * z[i.clamp(-n, n - 1)].sum(0)}, size=n)
        flat = z.reshape(-1)
        entry(f"gather of merged axes of N={n}", {"z": z, "i": i}, {}, """model NAME(z: f32[N, 2], i: i64[6]) -> (y: f32[6]) {
    return gather(reshape(z, [2 * N]), i)
}
""", out=flat[i.clamp(-2 * n, 2 * n - 1)], size=n)
        w = uniform(66, (6, 2), -1, 1)
        spread = torch.zeros(n, 2).index_add(0, i.clamp(-n, n - 1) % n, w)
        entry(f"grad of gather(z, i) of N={n}", {"z": z, "i": i, "w": w}, {},
              """train NAME(z: f32[N, 2], i: i64[6], w: f32[6, 2]) -> (y: f32[N, 2]) {
    return grad(sum(gather(z * z, i) * w), z)
}
""", out=2 * z * spread, size=n)


def integers():
    """Sums, products and cumulative sums of integers and bools are i64; the largest and smallest keep their dtype."""
    big = {torch.uint8: (0, 256), torch.int32: (-2**31, 2**31 - 1), torch.int64: (-2**40, 2**40), torch.bool: (0, 2)}
    for k, (dtype, (least, most)) in enumerate(big.items()):
        for shape in ((3, 37), (2, 1, 5)):
            torch.manual_seed(k)
            x = {"x": torch.randint(least, most, shape).to(dtype)}
            last = len(shape) - 1
            case("sum(x)", lambda x: x.sum(), x, grad=False)
            case("sum(x, axis=1)", lambda x: x.sum(1), x, grad=False)
            case("sum(x, axis=[0, -1], keepdim=true)", lambda x: x.sum((0, -1), keepdim=True), x, grad=False)
            case(f"cumsum(x, {last})", lambda x: x.cumsum(last), x, grad=False)
            case("cumsum(x, 0)", lambda x: x.cumsum(0), x, grad=False)
            case("prod(x, axis=0)", lambda x: x.prod(0), x, grad=False)
            case("sum(x[0, 0])", lambda x: x[0, 0].sum(), x, grad=False)
            if dtype != torch.bool:
                case("max(x, axis=1)", lambda x: x.amax(1), x, grad=False)
                case("min(x)", lambda x: x.amin(), x, grad=False)
            case(f"argmax(cast(x, i64), axis={last})", lambda x: x.long().argmax(last), x, grad=False)
    case("sum(a)", lambda a: a.sum(), {"a": torch.tensor([200, 100], dtype=torch.uint8)}, grad=False)
    case("sum(b)", lambda b: b.sum(), {"b": torch.tensor([2000000000] * 2, dtype=torch.int32)}, grad=False)
    case("prod(b)", lambda b: b.prod(), {"b": torch.tensor([-7000, 90000, 5000], dtype=torch.int32)}, grad=False)
    for n in (1, 3, BOUND):
        x = torch.tensor([[250], [9], [255], [7], [200]][:n], dtype=torch.uint8)
        entry(f"sum(x) of N={n}", {"x": x}, {}, """model NAME(x: u8[N, 1]) -> (y: i64[]) {
    return sum(x) * 2 + sum(x == 250)
}
""", out=x.sum() * 2 + (x == 250).sum(), size=n)


def floats(*values):
    return torch.tensor(values)


def powers():
    """Powers at 0, of negative numbers, and of what is no number; their gradients too."""
    x = floats(0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, inf, nan, 3.0)
    for e in (1, 2, 3, -1, -2, -3, 0.5, 2.5, -1.5, 7.0, 65, 1 / 3):
        case(f"x ** {e}", lambda x: x**e, {"x": x})
        case("pow(x, e)", torch.pow, {"x": x, "e": torch.full_like(x, e)})
    case("x ** 0", lambda x: x**0, {"x": x}, grad=False)
    for c in (2, 0.5, 10, 1, 0, 1e-3):
        case(f"{c} ** x", lambda x: c**x, {"x": floats(0.0, 1.0, 2.0, 0.5, 3.5, 20.0)})
        case(f"{c} ** x", lambda x: c**x, {"x": floats(-1.0, -20.0, 100.0, inf, -inf, nan)}, grad=False)
    case("(-2) ** x", lambda x: (-2)**x, {"x": floats(0.0, 1.0, 2.0, 0.5, -3.0, 20.0)}, grad=False)
    exact = {"x": torch.arange(0.0, 24.0)}
    case("cast(2 ** x, i32)", lambda x: (2**x).int(), exact, grad=False)
    case("cast(pow(2.0, x), i32)", lambda x: (2**x).int(), exact, grad=False)


def whole():
    """Quotients, remainders and casts of integers; arithmetic that wraps."""
    a = torch.tensor([7, -7, 7, -7, 0, 5, -5, -2**31, 2**31 - 1, 1], dtype=torch.int32)
    b = torch.tensor([3, 3, -3, -3, 4, 5, 5, 2, -2, -1], dtype=torch.int32)
    u = torch.tensor([0, 1, 3, 200, 255], dtype=torch.uint8)
    for number in (a, a.long() * 5):
        x = {"a": number, "b": b.to(number.dtype)}
        case("a // b", lambda a, b: torch.div(a, b, rounding_mode="floor"), x, grad=False)
        case("a % b", torch.remainder, x, grad=False)
    for c in (3, -3, 1, -1):
        case(f"a // {c}", lambda a: torch.div(a, c, rounding_mode="floor"), {"a": a}, grad=False)
        case(f"a % {c}", lambda a: a % c, {"a": a}, grad=False)
    case("a % 7 + a // 3 * 100 - a", lambda a: a % 7 + a // 3 * 100 - a, {"a": u}, grad=False)
    for f in ("abs", "sign"):
        case(f"{f}(a)", getattr(torch, f), {"a": a}, grad=False)
    case("a ** 7", lambda a: a**7, {"a": a.long()}, grad=False)
    case("transpose(a, 0, 1) @ a", lambda a: a.T @ a, {"a": a.reshape(5, 2)}, grad=False)
    for x in (a, u, a.long(), floats(0.0, -0.0, 0.5, -0.5, nan, inf, 1e-45)):
        case("cast(x, bool)", lambda x: x.bool(), {"x": x}, grad=False)
    case("cast(x, i64)", lambda x: x.long(), {"x": floats(0.9, -0.9, 1.5, -1.5, 2.5, 1e12)}, grad=False)
    case("cast(x, u8)", lambda x: x.to(torch.uint8), {"x": a}, grad=False)


def shares():
    """Class losses of which some or all examples have no share, and weights of 0."""
    x = uniform(71, (4, 3), -3, 3)
    for label in ([-100] * 4, [0, -100, 2, 1], [0] * 4):
        for w in ("none", "[0, 0, 0]", "[0, 1, 2]"):
            weight = None if w == "none" else floats(*map(float, w.strip("[]").split(",")))
            for smoothing in (0.0, 0.3, 1.0):
                case(f"cross_entropy(x, l, weight={w}, label_smoothing={smoothing})",
                     lambda x, l: torch.nn.functional.cross_entropy(x, l, weight=weight, label_smoothing=smoothing),
                     {"x": x, "l": torch.tensor(label)})
            case(f"nll_loss(x, l, weight={w}, ignore_index=2)",
                 lambda x, l: torch.nn.functional.nll_loss(x, torch.where(l < 0, 2, l), weight=weight, ignore_index=2),
                 {"x": x, "l": torch.tensor(label)})
    for f in ("mse_loss", "l1_loss", "huber_loss"):
        case(f"{f}(x, t, weight=[0, 0])", lambda x, t: getattr(torch.nn.functional, f)(x, t, weight=floats(0.0, 0.0)),
             {"x": floats(0.0, 1.0), "t": floats(0.0, 3.0)})
    for p in (0.0, 1.0):
        case(f"dropout(x, {p})", lambda x: torch.nn.functional.dropout(x, p), {"x": x})


def copied(x, i, v, axis=0):
    """index_copy, of what is in range, and of equal indices of the last: PyTorch leaves open which one wins."""
    v = v.flatten(axis, axis + i.dim() - 1) if i.dim() else v.unsqueeze(axis)
    last = {j: k for k, j in enumerate(i.flatten().tolist()) if 0 <= j < x.shape[axis]}
    to, of = torch.tensor(list(last), dtype=torch.long), torch.tensor(list(last.values()), dtype=torch.long)
    return x.index_copy(axis, to, v.index_select(axis, of))


def in_rows(x, i, v, axis=1):
    return torch.stack([copied(x[b], i[b], v[b], axis - 1) for b in range(len(x))])


def updates():
    """Parts at run-time indices: each once as in PyTorch, out of range, equal ones, one, none, rows with their own."""
    x, y = uniform(81, (5, 4), -2, 2), uniform(82, (3, 5, 2), -2, 2)
    case("update(x, i, v)", lambda x, i, v: x.index_copy(0, i, v),
         {"x": x, "i": torch.tensor([3, 0, 4]), "v": uniform(83, (3, 4), -1, 1)})
    case("update(x * x, i, v * v, axis=1)", lambda x, i, v: (x * x).index_copy(1, i.long(), v * v),
         {"x": y, "i": torch.tensor([4, 1], dtype=torch.int32), "v": uniform(84, (3, 2, 2), -1, 1)})
    for dtype, least, most in ((torch.int32, -2**31, 2**31 - 1), (torch.int64, -2**62, 2**62)):
        i = torch.tensor([2, -1, 2, 5, least, 0, most, 2, 4, 0], dtype=dtype)
        case("update(x, i, v)", copied, {"x": x, "i": i, "v": uniform(85, (10, 4), -1, 1)})
        case("update(x, i, v, -1)", lambda x, i, v: copied(x, i, v, 1), {"x": x, "i": i, "v": uniform(86, (5, 10), -1, 1)})
        j = torch.tensor([[1, 0, 1], [4, 1, -3]], dtype=dtype)
        case("update(x, j, v, 1)", lambda x, j, v: copied(x, j, v, 1), {"x": y, "j": j, "v": uniform(87, (3, 2, 3, 2), -1, 1)})
        for k in (1, -1, 5, most):
            case("update(x, k, v)", copied, {"x": x, "k": torch.tensor(k, dtype=dtype), "v": uniform(88, (4,), -1, 1)})
        k = torch.tensor([4, -1, 0], dtype=dtype)
        case("update(x, k, v, batch_axes=1)", in_rows, {"x": y, "k": k, "v": uniform(89, (3, 2), -1, 1)})
        rows = torch.tensor([[1, 1, 0, 1], [5, 4, 4, -1], [0, 1, 2, 3]], dtype=dtype)
        case("update(x, r, v, 1, 1)", in_rows, {"x": y, "r": rows, "v": uniform(90, (3, 4, 2), -1, 1)})
        case("update(x, r % 2, v, axis=-1, batch_axes=1)", lambda x, r, v: in_rows(x, r % 2, v, 2),
             {"x": y, "r": rows, "v": uniform(91, (3, 5, 4), -1, 1)})
    case("update(x, i, 0.5)", lambda x, i: x.index_fill(0, i, 0.5), {"x": x, "i": torch.tensor([3, 0, 3])})
    case("update(x, i, v)", copied, {"x": torch.tensor([7, 8, 9]), "i": torch.tensor([2, 0, 2, 3]),
                                     "v": torch.tensor([1, 2, 3, 4])}, grad=False)
    case("update(x, i, v)", copied, {"x": torch.tensor([True, False]), "i": torch.tensor([1, 0]),
                                     "v": torch.tensor([True, False])}, grad=False)
    # of a run-time size: the rows of this call, not those of the bound; the result and both gradients joined
    joined = "[y, grad(sum(y * w), z), grad(sum(y * w), v)]"
    for n in (1, 3, BOUND):
        z, w = uniform(92, (n, 2), -2, 2).requires_grad_(), uniform(93, (n, 2), -1, 1)
        v, i = uniform(94, (6, 2), -1, 1).requires_grad_(), torch.tensor([n - 1, 0, n, 2, 2, -1])
        y = copied(z * z, i, v * v)
        (y * w).sum().backward()
        entry(f"update, N={n}", {"z": z, "i": i, "v": v, "w": w}, {},
              f"""train NAME(z: f32[N, 2], i: i64[6], v: f32[6, 2], w: f32[N, 2]) -> (y: f32[2 * N + 6, 2]) {{
    y = update(z * z, i, v * v)
    return concat({joined})
}}
""", out=torch.cat([y, z.grad, v.grad]), size=n)
        z, w = uniform(95, (n, 3, 2), -2, 2).requires_grad_(), uniform(96, (n, 3, 2), -1, 1)
        v, i = uniform(97, (n, 2, 2), -1, 1).requires_grad_(), torch.tensor([[1, 1], [-1, 2], [0, 3], [0, 1], [2, 2]])[:n]
        y = in_rows(z * z, i, v * v)
        (y * w).sum().backward()
        entry(f"update in rows, N={n}", {"z": z, "i": i, "v": v, "w": w}, {},
              f"""train NAME(z: f32[N, 3, 2], i: i64[N, 2], v: f32[N, 2, 2], w: f32[N, 3, 2]) -> (y: f32[N, 8, 2]) {{
    y = update(z * z, i, v * v, batch_axes=1)
    return concat({joined}, axis=1)
}}
""", out=torch.cat([y, z.grad, v.grad], 1), size=n)


if __name__ == "__main__":
    clipped()
    norms_of_one()
    indices()
    integers()
    powers()
    whole()
    shares()
    updates()
    here = os.path.join(layers.HERE, "..")
    with open(os.path.join(here, "nets", "edges.dl"), "w") as f:
        f.write("# Printed by tests/oracle/edges.py: one entry for each case of tests/golden/data/edges.txt.\n"
                f"dim N <= {BOUND}\noptimizer take(p: T[...S], g: T[...S], t: i64[]) {{ return g }}\n\n"
                + "\n".join(layers.dl))
    with open(os.path.join(here, "golden", "data", "edges.txt"), "w") as f:
        f.write("\n".join(layers.out) + "\n")
    print(layers.count, "cases")
