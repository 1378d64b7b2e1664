"""Golden numbers from PyTorch for tests/tools/layers.c: every prelude layer and operator of the language alone, forward
and gradient, with several option sets.

    python tests/oracle/layers.py        writes tests/nets/layers.dl and tests/golden/data/layers.txt

Float inputs are parameters of the entry, so that the optimizer `take`, which puts the gradient in the parameter's
place, shows d sum(y * w) / d input. A line is `case NAME`, or `param|arg|out|grad NAME COUNT values...`, or `... COUNT drawn SEED LOW HIGH`.
"""
import math
import os

import torch
import torch.nn.functional as F

import goldens

HERE = os.path.dirname(os.path.abspath(__file__))
DTYPES = {torch.float32: "f32", torch.int64: "i64", torch.int32: "i32", torch.uint8: "u8", torch.bool: "bool"}

dl, out, count = [], [], 0


drawn_from = {}  # (seed, low, high) by a tensor's id; the tool draws the same numbers


def uniform(seed, shape, low, high):
    t = goldens.uniform(seed, shape, low, high)
    drawn_from[id(t)] = t, f"drawn {seed} {low:.9g} {high:.9g}"
    return t


def write(kind, name, value, origin=None):
    if origin is not None:
        out.append(f"{kind} {name} {value.numel()} {origin}")
        return
    flat = value.detach().reshape(-1)
    numbers = flat.tolist() if flat.dtype.is_floating_point else [int(v) for v in flat]
    digits = ".9g" if kind in ("param", "arg") else ".7g"
    if not flat.dtype.is_floating_point:
        digits = "d"
    out.append(f"{kind} {name} {len(numbers)} " + " ".join(f"{v:{digits}}" for v in numbers))


def type_of(t):
    return f"{DTYPES[t.dtype]}[{', '.join(map(str, t.shape))}]"


def case(text, torch_fn, inputs, params=None, grad=True):
    """text: the expression in the language over the inputs' names; torch_fn(**inputs)."""
    global count
    name = f"c{count}"
    count += 1
    origins = {k: drawn_from.get(id(v), (None, None))[1] for k, v in inputs.items()}
    inputs = {k: v.clone() for k, v in inputs.items()}
    leaves = {k: v.requires_grad_() for k, v in inputs.items() if v.is_floating_point()} if grad else {}
    named = {f"{name}.{k}": v.clone().requires_grad_() for k, v in (params or {}).items()}
    y = torch_fn(*inputs.values(), *named.values())
    args = ", ".join(f"{k}: {type_of(v)}" for k, v in inputs.items() if k not in leaves)
    out.append(f"case {name} {text}")
    for k, v in inputs.items():
        write("param" if k in leaves else "arg", f"{name}_{k}" if k in leaves else k, v, origins[k])
    for k, v in named.items():
        write("param", k, v)
    write("out", "y", y)
    lines = [f'    param {k} "{name}_{k}": {type_of(v)} = zeros()' for k, v in leaves.items()]
    body = text.replace("NAME", name)
    if grad:
        w = uniform(7000 + count, tuple(y.shape), -1, 1)
        write("arg", "w", w, drawn_from[id(w)][1])
        (y * w).sum().backward()
        for k, v in leaves.items():
            write("grad", f"{name}_{k}", v.grad if v.grad is not None else torch.zeros_like(v))
        for k, v in named.items():
            write("grad", k, v.grad)
        args = ", ".join(filter(None, [args, f"w: {type_of(w)}"]))
        dl.append(f"train {name}({args}) -> (y: {type_of(y)}) {{\n" + "\n".join(lines) + f"\n    y = {body}\n"
                  "    minimize sum(y * w) with take()\n    return y\n}\n")
    else:
        dl.append(f"model {name}({args}) -> (y: {type_of(y)}) {{\n    return {body}\n}}\n")


def kinks(*special):
    """Numbers between -4 and 4 (45, for vectors and a tail), and special ones."""
    return torch.cat([uniform(11, (45 - len(special),), -4, 4), torch.tensor(special, dtype=torch.float32)])


def activations():
    z = kinks(0.0, -0.0, -30.0, 30.0, 88.0, -100.0)
    x = {"x": z}
    for f in ["abs", "erf", "sin", "cos", "exp", "tanh", "sigmoid", "expm1"]:
        case(f"{f}(x)", getattr(torch, f), {"x": kinks(0.0, -0.0, -20.0, 20.0)})
    for f in ["floor", "ceil", "round", "sign"]:
        case(f"{f}(x)", getattr(torch, f), {"x": kinks(0.5, 1.5, 2.5, -0.5, -1.5, 7.0, 0.0, 1e10)})
    case("relu(x)", torch.relu, x)
    case("leaky_relu(x)", F.leaky_relu, x)
    case("leaky_relu(x, 0.2)", lambda x: F.leaky_relu(x, 0.2), x)
    case("elu(x)", F.elu, x)
    case("elu(x, alpha=0.5)", lambda x: F.elu(x, 0.5), x)
    case("selu(x)", F.selu, x)
    case("gelu(x)", F.gelu, x)
    case('gelu(x, approximate="tanh")', lambda x: F.gelu(x, approximate="tanh"), x)
    case("silu(x)", F.silu, x)
    case("mish(x)", F.mish, x)
    case("softsign(x)", F.softsign, x)
    case("logsigmoid(x)", F.logsigmoid, x)
    case("softplus(x)", F.softplus, x)
    case("softplus(x, beta=2, threshold=3)", lambda x: F.softplus(x, 2, 3), x)
    edges = {"x": kinks(-3.0, 3.0, 0.0, -1.0, 1.0, 6.0, 0.5, -0.5, 7.0, 100.0)}
    case("hardswish(x)", F.hardswish, edges)
    case("hardsigmoid(x)", F.hardsigmoid, edges)
    case("hardtanh(x)", F.hardtanh, edges)
    case("hardtanh(x, -0.5, 3)", lambda x: F.hardtanh(x, -0.5, 3), edges)
    case("relu6(x)", F.relu6, edges)
    case("hardshrink(x)", F.hardshrink, edges)
    case("hardshrink(x, lambd=1)", lambda x: F.hardshrink(x, 1), edges)
    case("tanhshrink(x)", F.tanhshrink, x)
    case("celu(x)", F.celu, x)
    case("celu(x, alpha=0.3)", lambda x: F.celu(x, 0.3), x)
    case("threshold(x, 0.5, -20)", lambda x: F.threshold(x, 0.5, -20.0), edges)
    case('prelu(x, name="NAME")', F.prelu, x, params={"weight": torch.tensor([0.3])})
    channels = {"x": uniform(23, (2, 3, 7), -2, 2)}
    case('prelu(x, 3, name="NAME")', F.prelu, channels, params={"weight": torch.tensor([0.3, -0.2, 1.5])})
    case("glu(x)", F.glu, {"x": uniform(24, (3, 34), -2, 2)})
    case("glu(x, axis=1)", lambda x: F.glu(x, 1), {"x": uniform(25, (3, 4, 5), -2, 2)})
    case("softmin(x, axis=1)", lambda x: F.softmin(x, 1), {"x": uniform(26, (3, 33), -2, 2)})
    # Not at the bounds: there the gradient of clip is 1, and PyTorch's was 1 for years and is 0 in 2.15.
    case("clip(x, -1.25, 3.25)", lambda x: torch.clamp(x, -1.25, 3.25), edges)
    case("clamp(x, min=0.625)", lambda x: torch.clamp(x, min=0.625), edges)
    case("clip(x, max=0.625)", lambda x: torch.clamp(x, max=0.625), edges)
    two = {"a": uniform(21, (3, 15), 0.1, 3), "b": uniform(22, (3, 15), -2, 2)}
    case("a ** b", lambda a, b: a**b, two)
    case("a ** 1.7 + a ** -0.5", lambda a: a**1.7 + a**-0.5, {"a": two["a"]})
    case("pow(a, b)", torch.pow, {"a": torch.tensor([0.0, 0.0, 2.0, -2.0, 0.0]),
                                  "b": torch.tensor([2.0, 0.0, 0.0, 3.0, 1.0])})
    for k, n in enumerate(["1", "2", "3", "-1", "-2", "0.5", "-0.5", "0", "7", "2.5"]):
        exact = {"a": torch.cat([uniform(27 + k, (20,), 0.2, 2), -uniform(27 + k, (20,), 0.2, 2)])}
        kept = {"a": exact["a"].abs()} if n in ("0.5", "-0.5", "2.5") else exact
        case(f"pow(a, {n})", lambda a: a.pow(float(n)), kept, grad=n != "0")
        case(f"a ** {n}", lambda a: a ** float(n), kept, grad=n != "0")
    case("pow(2, b)", lambda b: torch.pow(2.0, b), {"b": two["b"]})
    case("pow(a, 1 + b)", lambda a, b: torch.pow(a, 1 + b), two)
    case("where(a > b, a, b * 2)", lambda a, b: torch.where(a > b, a, b * 2), two)
    # What is no number, what is none, both zeros and what overflows; repeated, so that vectors and their rests see it.
    bad = {"x": torch.tensor([math.nan, math.inf, -math.inf, 0.0, -0.0, 3e38, -3e38, 1e-40, -1e-40, 100.0, -100.0] * 4)}
    # One at a time: PyTorch's vectors make NaN of gelu(inf).
    def alone(f):
        return lambda x: torch.cat([f(v.reshape(1)) for v in x])

    for f, t in [("abs", torch.abs), ("relu", F.relu), ("relu6", F.relu6), ("hardtanh", F.hardtanh), ("elu", F.elu),
                 ("selu", F.selu), ("celu", F.celu), ("gelu", F.gelu), ("silu", F.silu), ("softsign", F.softsign),
                 ("hardsigmoid", F.hardsigmoid), ("hardswish", F.hardswish), ("leaky_relu", F.leaky_relu),
                 ("mish", F.mish), ("logsigmoid", F.logsigmoid), ("softplus", F.softplus), ("tanhshrink", F.tanhshrink),
                 ("hardshrink", F.hardshrink), ("floor", torch.floor), ("ceil", torch.ceil), ("round", torch.round),
                 ("erf", torch.erf), ("exp", torch.exp), ("expm1", torch.expm1), ("tanh", torch.tanh),
                 ("sigmoid", torch.sigmoid), ("log", torch.log), ("log1p", torch.log1p), ("sqrt", torch.sqrt)]:
        # PyTorch's x * 6 / 6 overflows where x * (6 / 6) does not
        case(f"{f}(x)", alone(t), {"x": bad["x"][:5]} if f == "hardswish" else bad, grad=False)
    case('gelu(x, approximate="tanh")', lambda x: F.gelu(x, approximate="tanh"), bad, grad=False)
    case("clip(x, -1, 1)", lambda x: torch.clamp(x, -1, 1), bad, grad=False)
    case("clamp(x, min=0.5)", lambda x: torch.clamp(x, min=0.5), bad, grad=False)
    case("threshold(x, 0.5, -20)", lambda x: F.threshold(x, 0.5, -20.0), bad, grad=False)
    for n in ["2", "-1", "3"]:
        case(f"pow(x, {n})", lambda x: x.pow(float(n)), bad, grad=False)
    two = {"x": bad["x"], "z": bad["x"].flip(0)}
    for f, t in [("max", torch.maximum), ("min", torch.minimum), ("pow", torch.pow)]:
        case(f"{f}(x, z)", t, two, grad=False)
    case("where(x > z, x, z)", lambda x, z: torch.where(x > z, x, z), two, grad=False)


def parts():
    x = {"x": uniform(31, (4, 3, 17), -1, 1)}
    for text, f in [("x[:, 0, 2:5]", lambda x: x[:, 0, 2:5]), ("x[..., ::2]", lambda x: x[..., ::2]),
                    ("x[-1]", lambda x: x[-1]), ("x[1:3, none, :, -5:]", lambda x: x[1:3, None, :, -5:]),
                    ("x[:, ::-1]", lambda x: x.flip(1)), ("x[2, 1, 4]", lambda x: x[2, 1, 4]),
                    ("x[:2] * x[2:]", lambda x: x[:2] * x[2:]),
                    ("flip(x, [0, 2])", lambda x: x.flip([0, 2])), ("flip(x, axis=-1)", lambda x: x.flip(-1)),
                    ("narrow(x, 1, 1, 2)", lambda x: x.narrow(1, 1, 2)),
                    ("concat(split(x, 3, axis=1), axis=2)", lambda x: torch.cat(x.split(1, 1), 2)),
                    ("split(x, [4, 13], axis=2)[0]", lambda x: x.split([4, 13], 2)[0]),
                    ("pad(x, [1, 2])", lambda x: F.pad(x, [1, 2])),
                    ("pad(x, [0, 3, 2, 0], value=0.5)", lambda x: F.pad(x, [0, 3, 2, 0], value=0.5)),
                    ("pad(x, [-2, 1])", lambda x: F.pad(x, [-2, 1]))]:
        case(text, f, x)
    for mode in ["reflect", "replicate", "circular"]:
        case(f'pad(x, [3, 2], mode="{mode}")', lambda x: F.pad(x, [3, 2], mode=mode), x)
    image = {"x": uniform(32, (2, 3, 5, 7), -1, 1)}
    for mode in ["reflect", "replicate"]:
        case(f'pad(x, [1, 2, 3, 4], mode="{mode}")', lambda x: F.pad(x, [1, 2, 3, 4], mode=mode), image)
    two = {"a": uniform(33, (3, 4), -1, 1), "b": uniform(34, (3, 20), -1, 1)}
    case("concat([a, b, a], axis=-1)", lambda a, b: torch.cat([a, b, a], -1), two)
    i = torch.tensor([[0, 4, 2], [2, 2, 1]])
    case("gather(x, i)", lambda x, i: x[i], {"x": uniform(35, (5, 6), -1, 1), "i": i})
    case("gather(x, i, axis=1)", lambda x, i: x[:, i], {"x": uniform(36, (3, 5, 2), -1, 1), "i": i.int()})
    j = torch.tensor([1, 4, 1, 0])
    case("scatter_add(x, i, v)", lambda x, i, v: x.index_add(0, i, v),
         {"x": uniform(37, (5, 6), -1, 1), "i": j, "v": uniform(38, (4, 6), -1, 1)})
    case('embedding(i, 5, 9, name="NAME")', lambda i, weight: F.embedding(i, weight), {"i": i},
         params={"weight": uniform(39, (5, 9), -1, 1)})
    case("cumsum(x, 1)", lambda x: x.cumsum(1), x)
    case("cumsum(x, axis=-1)", lambda x: x.cumsum(-1), x)
    case("one_hot(i, 6)", lambda i: F.one_hot(i, 6), {"i": i}, grad=False)


def reductions():
    x = {"x": uniform(41, (2, 3, 18), -1, 1)}
    tied = {"x": torch.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [math.nan, 1.0, math.nan]])}
    for f in ["sum", "mean", "amax", "amin", "var", "std", "logsumexp"]:
        ours = {"amax": "max", "amin": "min"}.get(f, f)
        t = getattr(torch, f)
        for text, axes in [("1", 1), ("[0, 2]", (0, 2)), ("-1", -1)]:
            case(f"{ours}(x, axis={text})", lambda x: t(x, axes), x)
            case(f"{ours}(x, axis={text}, keepdim=true)", lambda x: t(x, axes, keepdim=True), x)
        case(f"{ours}(x)", lambda x: t(x, (0, 1, 2)), x)
    case("var(x, axis=1, correction=0)", lambda x: x.var(1, correction=0), x)
    case("std(x, axis=0)", lambda x: x.std(0), {"x": torch.ones(4, 3)})
    case("logsumexp(x, axis=1)", lambda x: x.logsumexp(1),
         {"x": torch.tensor([[-math.inf, -math.inf], [math.inf, 1.0], [-math.inf, 2.0], [1000.0, 1001.0]])}, grad=False)
    case("prod(x, axis=2)", lambda x: x.prod(2), x)
    case("prod(x, axis=-2, keepdim=true)", lambda x: x.prod(-2, keepdim=True), x)
    case("prod(x)", torch.prod, {"x": uniform(42, (3, 7), 0.5, 1.5)})
    case("prod(x, axis=1)", lambda x: x.prod(1), {"x": torch.tensor([[2.0, 0.0, 3.0], [0.0, 4.0, 0.0]])})
    case("softmax(x, axis=1)", lambda x: x.softmax(1), x)
    case("log_softmax(x)", lambda x: x.log_softmax(-1), x)
    for f in ["argmax", "argmin"]:
        t = getattr(torch, f)
        case(f"{f}(x, axis=1)", lambda x: t(x, 1), tied, grad=False)
        case(f"{f}(x, axis=0, keepdim=true)", lambda x: t(x, 0, keepdim=True), x, grad=False)
        case(f"{f}(x)", t, x, grad=False)


def not_finite():
    """Rows of 21 (a vector of 16 and a rest): each with one special number at another place, or with huge ones."""
    rows = uniform(51, (12, 21), -1, 1).clone()
    for k, v in enumerate([math.nan, math.inf, -math.inf, math.nan, math.inf, -math.inf, math.nan, 3e38, -3e38]):
        rows[k, (k * 7 + 2) % 21] = v
    rows[6, 20] = math.inf
    rows[9, :] = -math.inf
    rows[10, :] = math.nan
    x = {"x": rows}
    for text, t in [("sum(x, axis=1)", lambda x: x.sum(1)), ("sum(x, axis=0)", lambda x: x.sum(0)),
                    ("mean(x, axis=1)", lambda x: x.mean(1)), ("max(x, axis=1)", lambda x: x.amax(1)),
                    ("max(x, axis=0)", lambda x: x.amax(0)), ("min(x, axis=1)", lambda x: x.amin(1)),
                    ("max(x)", torch.amax), ("prod(x, axis=1)", lambda x: x.prod(1)),
                    ("var(x[:7], axis=1)", lambda x: x[:7].var(1)), ("std(x[:7], axis=1)", lambda x: x[:7].std(1)),
                    ("cumsum(x, 1)", lambda x: x.cumsum(1)), ("argmax(x, axis=1)", lambda x: x.argmax(1)),
                    ("argmin(x, axis=1)", lambda x: x.argmin(1)), ("softmax(x, axis=1)", lambda x: x.softmax(1)),
                    ("logsumexp(x, axis=1)", lambda x: x.logsumexp(1)),
                    ("log_softmax(x)", lambda x: x.log_softmax(1)),
                    ("max_pool1d(reshape(x, [3, 4, 21]), 3, stride=2, padding=1)",
                     lambda x: F.max_pool1d(x.reshape(3, 4, 21), 3, 2, 1)),
                    ("max_pool2d(reshape(x, [3, 1, 4, 21]), 2, stride=1)",
                     lambda x: F.max_pool2d(x.reshape(3, 1, 4, 21), 2, 1)),
                    ("avg_pool1d(reshape(x, [3, 4, 21]), 3, stride=2, padding=1)",
                     lambda x: F.avg_pool1d(x.reshape(3, 4, 21), 3, 2, 1)),
                    ("adaptive_max_pool1d(reshape(x, [3, 4, 21]), 4)",
                     lambda x: F.adaptive_max_pool1d(x.reshape(3, 4, 21), 4)),
                    ("global_max_pool(reshape(x, [3, 4, 21]))", lambda x: x.reshape(3, 4, 21).amax(2)),
                    ('pad(x, [1, 2], mode="replicate")', lambda x: F.pad(x[None], [1, 2], mode="replicate")[0])]:
        case(text, t, x, grad=False)


def huge():
    """Sums that stay in range although their terms are large; means and variances of large numbers."""
    x = {"x": uniform(52, (3, 33), 1e3, 1.01e3)}
    case("var(x, axis=1, correction=0)", lambda x: x.double().var(1, correction=0).float(), x)
    case("mean(x, axis=1)", lambda x: x.mean(1), {"x": uniform(53, (3, 33), 1e36, 1e37)})
    case("softmax(x, axis=1)", lambda x: x.softmax(1), {"x": uniform(54, (3, 33), -1e30, 1e30)})
    case("log_softmax(x)", lambda x: x.log_softmax(1), {"x": uniform(55, (3, 33), -1e4, 1e4)})


def few():
    """Variances of no more values than the correction, and deviations whose squares leave the range of f32."""
    x = {"x": torch.tensor([[1.0, 2.0, 4.0], [-7.0, 0.5, 3.0], [2.0, 2.0, 2.0]])}
    for f in ["var", "std"]:
        t = getattr(torch, f)
        case(f"{f}(x, axis=1, correction=3)", lambda x: t(x, 1, correction=3), x, grad=f == "std")
        case(f"{f}(x, axis=1, correction=5)", lambda x: t(x, 1, correction=5), x, grad=False)
        case(f"{f}(x, correction=9)", lambda x: t(x, correction=9), x, grad=False)
        case(f"{f}(x, axis=0)", lambda x: t(x, 0), {"x": torch.tensor([[1.0, 5.0]])})
    for scale in [1e20, 1e-30]:
        x = {"x": scale * torch.tensor([[1.0, 2.0, 3.0], [-1.0, 4.0, -1.0], [2.0, 2.0, 2.0]])}
        case("std(x, axis=1)", lambda x: x.std(1), x)
        case("std(x, axis=[0, 1], correction=0, keepdim=true)", lambda x: x.std((0, 1), correction=0, keepdim=True), x)


def special():
    """Gradients at what is no number, at infinities and zeros, and where exp(x) is far below 1."""
    some = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-40, -1e-40, 12.0, -12.0, -20.5, 40.0, 4.0, -3.5]
    x = {"x": torch.tensor(some * 3)}

    def alone(f):
        return lambda x: torch.cat([f(v.reshape(1)) for v in x])

    for f, t in [("abs", torch.abs), ("sign", torch.sign), ("relu", F.relu), ("relu6", F.relu6),
                 ("hardtanh", F.hardtanh), ("elu", F.elu), ("selu", F.selu), ("celu", F.celu), ("softsign", F.softsign),
                 ("leaky_relu", F.leaky_relu), ("silu", F.silu), ("mish", F.mish), ("logsigmoid", F.logsigmoid),
                 ("softplus", F.softplus), ("hardshrink", F.hardshrink), ("softshrink", F.softshrink),
                 ("tanhshrink", F.tanhshrink), ("tanh", torch.tanh), ("sigmoid", torch.sigmoid), ("erf", torch.erf),
                 ("sqrt", torch.sqrt), ("log", torch.log), ("log1p", torch.log1p), ("floor", torch.floor)]:
        case(f"{f}(x)", alone(t), x)
    case("clip(x, -1, 1)", lambda x: torch.clamp(x, -1, 1), x)
    case("threshold(x, 0.5, -20)", lambda x: F.threshold(x, 0.5, -20.0), x)
    for n in ["-1", "-2", "-3", "2"]:
        case(f"x ** {n}", lambda x: x ** float(n), {"x": torch.tensor([math.nan, math.inf, -math.inf, 0.0, -0.0, 2.0, -4.0] * 3)})
    pairs = torch.cartesian_prod(torch.tensor(some[:6] + [4.0]), torch.tensor(some[:6] + [4.0]))
    two = {"x": pairs[:, 0].clone(), "z": pairs[:, 1].clone()}
    for f, t in [("max(x, z)", torch.maximum), ("min(x, z)", torch.minimum),
                 ('l1_loss(x, z, reduction="none")', lambda x, z: F.l1_loss(x, z, reduction="none")),
                 ('smooth_l1_loss(x, z, reduction="none")', lambda x, z: F.smooth_l1_loss(x, z, reduction="none")),
                 ('huber_loss(x, z, reduction="none")', lambda x, z: F.huber_loss(x, z, reduction="none"))]:
        case(f, t, two)
    far = {"x": uniform(61, (21,), -14, -11.5)}
    for f, t in [("elu", F.elu), ("selu", F.selu), ("celu", F.celu)]:
        case(f"1e4 * {f}(x)", lambda x: 1e4 * t(x), far)


def padding():
    """The row of an embedding that does not learn, among rows that are read more than once."""
    i = {"i": torch.tensor([[0, 4, 2, 2], [2, 3, 0, 3]])}
    for row in (2, -2):
        case(f'embedding(i, 5, 9, padding_idx={row}, name="NAME")',
             lambda i, weight: F.embedding(i, weight, padding_idx=row), i, params={"weight": uniform(39, (5, 9), -1, 1)})


if __name__ == "__main__":
    activations()
    parts()
    reductions()
    not_finite()
    huge()
    padding()
    few()
    special()
    header = ("# Printed by tests/oracle/layers.py: one entry for each case of tests/golden/data/layers.txt.\n"
              "optimizer take(p: T[...S], g: T[...S], t: i64[]) { return g }\n\n")
    with open(os.path.join(HERE, "..", "nets", "layers.dl"), "w") as f:
        f.write(header + "\n".join(dl))
    with open(os.path.join(HERE, "..", "golden", "data", "layers.txt"), "w") as f:
        f.write("\n".join(out) + "\n")
    print(count, "cases")
