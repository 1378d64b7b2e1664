"""Golden numbers from PyTorch for tests/tools/layers.c: the recurrent layers and their cells, with all options, over whole
sequences and step by step.

    python tests/oracle/recurrent.py        writes tests/nets/recurrent.dl and tests/golden/data/recurrent.txt

PyTorch computes in double. `lengths` are packed sequences; one of length 0, which PyTorch refuses, is written out: zeros,
and the initial state.
"""
import os

import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import goldens
import layers
from layers import type_of, uniform, write

STEPS, BATCH, INPUTS, HIDDEN = 5, 3, 4, 3
MOST_STEPS, MOST_BATCH = 6, 4  # of the run-time sizes
MODULES = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
CELLS = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}
dl, out = layers.dl, layers.out
count = 0


def draw(key, shape, low=-1.0, high=1.0):
    return uniform(goldens.seed_of(key), shape, low, high)


def dl_value(v):
    if isinstance(v, torch.Tensor):
        return "lengths"
    if isinstance(v, list):
        return "[" + ", ".join(map(str, v)) + "]"
    return str(v).lower() if isinstance(v, bool) else f'"{v}"' if isinstance(v, str) else str(v)


def module_of(name, make):
    """A module in double with numbers that both sides draw, and these by name."""
    module = make().double().eval()
    params = {k: draw(f"{name}.{k}", tuple(v.shape), -0.7, 0.7) for k, v in module.named_parameters()}
    module.load_state_dict({k: v.double() for k, v in params.items()})
    return module, {f"{name}.{k}": v for k, v in params.items()}


def run(module, x, states, lengths):
    """[y, h] or [y, h, c], where sequences end at their lengths."""
    pair = isinstance(module, nn.LSTM)
    if lengths is None:
        y, last = module(x, (tuple(states) if pair else states[0]) if states else None)
        return [y, *(last if pair else [last])]
    swaps = module.batch_first
    x = x.transpose(0, 1) if swaps else x
    lengths = torch.tensor(lengths).clamp(0, len(x)).tolist()
    directions = 2 if module.bidirectional else 1
    rows = [b for b, n in enumerate(lengths) if n > 0]
    widths = [module.proj_size or module.hidden_size, module.hidden_size][:1 + pair]
    states = states or [x.new_zeros(module.num_layers * directions, len(lengths), w) for w in widths]
    y, last = x.new_zeros(len(x), len(lengths), widths[0] * directions), [s.clone() for s in states]
    if rows:
        packed = pack_padded_sequence(x[:, rows], [lengths[b] for b in rows], enforce_sorted=False)
        given = [s[:, rows] for s in states]
        module.batch_first = False
        packed, got = module(packed, tuple(given) if pair else given[0])
        module.batch_first = swaps
        y[:, rows] = pad_packed_sequence(packed, total_length=len(x))[0]
        for to, s in zip(last, got if pair else [got]):
            to[:, rows] = s
    return [y.transpose(0, 1) if swaps else y, *last]


def results(kind):
    return ["y", "h", "c"] if kind == "lstm" else ["y", "h"]


def entry(kind, name, args, lines, returned):
    args = ", ".join(f"{k}: {t}" for k, t in args.items())
    rets = ", ".join(f"{k}: {t}" for k, t in returned.items())
    lines = "".join(f"    {line}\n" for line in lines)
    dl.append(f"{kind} {name}({args}) -> ({rets}) {{\n{lines}    return {', '.join(returned)}\n}}\n")


def write_drawn(kind, name, value):
    write(kind, name, value, layers.drawn_from.get(id(value), (None, None))[1])


def gradient(leaf):
    return torch.zeros_like(leaf).float() if leaf.grad is None else leaf.grad.float()


def padded(value, shape):
    """value in the first elements of a tensor of that shape, of zeros."""
    whole = torch.zeros(shape)
    whole[tuple(slice(n) for n in value.shape)] = value
    return whole


def case(kind, initial=False, lengths=None, listed=False, batch=BATCH, garbage=0.0, sizes=None, gradients=True,
         dims=(STEPS, INPUTS, HIDDEN), **options):
    """lengths: a number for each sequence, i64, or written into the call if `listed`; batch None: a single sequence;
    garbage: what stands after the ends; sizes: those of calls with run-time sizes, as (steps, batch)."""
    global count
    most_steps, inputs, hidden = dims
    name = f"r{count}"
    count += 1
    module, params = module_of(name, lambda: MODULES[kind](inputs, hidden, **options))
    words = "".join(f", {k}={dl_value(v)}" for k, v in options.items())
    names = results(kind)[1:]
    if initial:
        words += ", initial=[h0, c0]" if kind == "lstm" else ", initial=h0"
    if lengths is not None:
        words += f", lengths={dl_value(lengths) if listed else 'lengths'}"
    body = f'{", ".join(results(kind))} = {kind}(x, {hidden}{words}, name="{name}")'
    whole = (MOST_STEPS, MOST_BATCH) if sizes else (most_steps, batch)
    directions = module.num_layers * (2 if module.bidirectional else 1)
    widths = [module.proj_size or hidden, hidden]

    def shaped(steps, rows, width):
        rows = [] if rows is None else [rows]
        return (*rows, steps, width) if module.batch_first and rows else (steps, *rows, width)

    types = {}

    def typed(key, value, of_steps):
        text = type_of(value)
        if sizes:
            axes = ["T", "N"][::-1] if module.batch_first else ["T", "N"]
            axes = (axes if of_steps else [str(directions), "N"]) if value.dim() == 3 else ["N"]
            text = f"{layers.DTYPES[value.dtype]}[{', '.join(axes + [str(d) for d in value.shape[2:]])}]"
        types[key] = text

    for steps, rows in sizes or [whole]:
        args = {"x": draw(f"{name}.x", shaped(steps, rows, inputs))}
        if initial:
            for k, width in zip(names, widths):
                args[k + "0"] = draw(f"{name}.{k}", (directions, *([] if rows is None else [rows]), width))
        ends = lengths and lengths[:rows]
        if lengths is not None:
            if not listed:
                args["lengths"] = torch.tensor(ends, dtype=torch.int32 if count % 2 else torch.int64)
            args["x"] = args["x"].clone()
            for b, n in enumerate(ends):
                (args["x"][b] if module.batch_first else args["x"][:, b])[max(n, 0):] = garbage
        for k, v in args.items():
            typed(k, v, k == "x")

        def begin(entry):
            out.append(f"case {entry} {body}")
            if sizes:
                out.append(f"size {steps} {rows}")
            for k, v in params.items():
                write_drawn("param", k, v)

        leaves = {k: v.double().requires_grad_() for k, v in args.items() if k != "lengths"}
        states = [leaves[k + "0"] for k in names] if initial else None
        begin(f"{name}m")
        for k, v in args.items():
            write_drawn("arg", k, v)
        returned = dict(zip(results(kind), run(module.eval(), leaves["x"], states, ends)))
        for k, v in returned.items():
            write("out", k, v)
            typed(k, v.float(), k == "y")
        if not gradients:
            continue
        # What is differentiated is a parameter, of which a call with run-time sizes reads a part.
        begin(f"{name}t")
        bound = {k: padded(v, shaped(*whole, inputs) if k == "x" else (directions, whole[1], v.shape[2]))
                 if sizes else v for k, v in args.items() if k != "lengths"}
        for k, v in bound.items():
            write("param", f"{name}_{k}", v)
        module.train()
        module.zero_grad()
        weights = {f"w{k}": draw(f"{name}.w{k}", tuple(v.shape)) for k, v in returned.items()}
        trained = dict(zip(results(kind), run(module, leaves["x"], states, ends)))
        sum((v * weights[f"w{k}"]).sum() for k, v in trained.items()).backward()
        if "lengths" in args:
            write("arg", "lengths", args["lengths"])
        for k, v in weights.items():
            write_drawn("arg", k, v)
        write("out", "h", trained["h"])
        for k, v in module.named_parameters():
            write("grad", f"{name}.{k}", gradient(v))
        for k, v in leaves.items():
            write("grad", f"{name}_{k}", padded(gradient(v), bound[k].shape))
    taken = {k: t for k, t in types.items() if k not in returned}
    entry("model", f"{name}m", taken, [body], {k: types[k] for k in returned})
    if gradients:
        part = {3: "[:N, :T]" if module.batch_first else "[:T, :N]"}
        lines = []
        for k, v in bound.items():
            of = f"{k}_whole" if sizes else k
            lines.append(f'param {of} "{name}_{k}": {type_of(v)} = zeros()')
            if sizes:
                lines.append(f"{k} = {of}{part[3] if k == 'x' else '[:, :N]'}")
        taken = {k: t for k, t in taken.items() if k == "lengths"}
        taken |= {f"w{k}": types[k] for k in returned}
        lines += [body, "minimize " + " + ".join(f"sum({k} * w{k})" for k in returned) + " with take()"]
        entry("train", f"{name}t", taken, lines, {"h": types["h"]})
    return name, module


def stepwise(kind, suffix="_l0", bias=True, unbatched=False, **options):
    """The cell, called for one step after another, gives what the layer gives over the whole sequence, whose parameters
    it shares."""
    global count
    rows = [] if unbatched else [BATCH]
    if suffix:
        name, module = case(kind, batch=None if unbatched else BATCH, bias=bias, **options)
    else:
        name, count = f"r{count}", count + 1
        module, _ = module_of(name, lambda: CELLS[kind](INPUTS, HIDDEN, bias=bias, **options))
    names = results(kind)[1:]
    x = draw(f"{name}.x", (STEPS, *rows, INPUTS))
    words = "".join(f", {k}={dl_value(v)}" for k, v in options.items()) + ("" if bias else ", bias=false")
    words += f', suffix="{suffix}"' if suffix else ""
    state, at = ("[h, c]", "h, c") if kind == "lstm" else ("h", "h")
    cell = f'{kind}_cell(x[t], {state}, {HIDDEN}{words}, name="{name}")'
    first = cell.replace("x[t]", "x[0]").replace(state, "none", 1)
    lines = [f"{at} = {first}", "ys = [h[none]]", f"for t in 1..{STEPS} {{", f"    {at} = {cell}",
             "    ys = ys + [h[none]]", "}", "y = concat(ys)"]
    if suffix:
        y, *last = run(module, x.double(), None, None)
        last = [s[0] for s in last]
    else:
        last, ys = None, []
        for t in range(STEPS):
            last = module(x[t].double(), last)
            ys.append(last[0] if kind == "lstm" else last)
        y, last = torch.stack(ys), list(last) if kind == "lstm" else [last]
    out.append(f"case {name}s {cell}")
    write_drawn("arg", "x", x)
    params = {f"{name}.{k}": draw(f"{name}.{k}", tuple(v.shape), -0.7, 0.7) for k, v in module.named_parameters()}
    for k, v in params.items():
        write_drawn("param", k, v)
    for k, v in zip(["y"] + names, [y] + last):
        write("out", k, v)
    entry("model", f"{name}s", {"x": type_of(x)}, lines,
          {k: type_of(v.float()) for k, v in zip(["y"] + names, [y] + last)})


def options():
    for kind in MODULES:
        case(kind)
        case(kind, initial=True, num_layers=2)
        case(kind, bidirectional=True, batch_first=True, initial=True)
        case(kind, num_layers=3, bias=False, bidirectional=True, dropout=0.5, gradients=False)  # a model drops nothing
        case(kind, num_layers=2, dropout=1.0)  # and training all that passes from layer to layer
        case(kind, batch=None)
        case(kind, batch=None, batch_first=True, bidirectional=True, num_layers=2, initial=True)
    case("rnn", nonlinearity="relu")
    case("rnn", nonlinearity="relu", num_layers=2, bidirectional=True, initial=True)
    case("lstm", proj_size=2)
    case("lstm", proj_size=1, num_layers=2, bidirectional=True, initial=True, bias=False)


def ends():
    """Lengths of 0, 1, some and all steps, and outside; what stands after the ends must not matter."""
    for kind in MODULES:
        case(kind, lengths=[5, 2, 0], garbage=7.0)
        case(kind, lengths=[0, 9, -3, 3, 1], batch=5, num_layers=2, bidirectional=True, initial=True,
             garbage=float("nan"))
        case(kind, lengths=[1, 4, 5], listed=True, batch_first=True, bidirectional=True, initial=True)
        case(kind, lengths=[0, 0, 0], initial=True)
    case("rnn", nonlinearity="relu", lengths=[3, 5, 4], num_layers=2, bidirectional=True)
    case("lstm", proj_size=2, lengths=[3, 0, 4], num_layers=2, bidirectional=True, initial=True)


def run_time():
    for kind in MODULES:
        case(kind, sizes=[(5, 3), (1, 1), (6, 4)], num_layers=2, bidirectional=True)
        case(kind, sizes=[(5, 3), (6, 1), (2, 4)], batch_first=True, initial=True, bidirectional=True,
             lengths=[4, 0, 6, 1], garbage=-9.0)


def wide():
    """More than a vector of each, and a rest."""
    for kind in MODULES:
        case(kind, batch=10, dims=(4, 9, 17), initial=True)
    case("lstm", batch=7, dims=(3, 6, 17), bidirectional=True, lengths=[2, 3, 1, 0, 3, 3, 2], garbage=float("inf"))


def steps():
    for kind in MODULES:
        stepwise(kind)
        stepwise(kind, bias=False, unbatched=True)
        stepwise(kind, suffix="")
        stepwise(kind, suffix="", bias=False)
    stepwise("rnn", nonlinearity="relu")
    stepwise("lstm", proj_size=2)


def nested():
    """Sentences of words: a layer in the steps of a loop, beside a cell."""
    global count
    name, count = f"r{count}", count + 1
    words, word_params = module_of(f"{name}.words", lambda: nn.GRU(INPUTS, HIDDEN))
    cell, cell_params = module_of(f"{name}.sentences", lambda: nn.RNNCell(HIDDEN, HIDDEN))
    x, w = draw(f"{name}.x", (STEPS, 4, 2, INPUTS)), draw(f"{name}.w", (2, HIDDEN))
    leaf, h = x.double().requires_grad_(), torch.zeros(2, HIDDEN).double()
    for sentence in leaf:
        h = cell(words(sentence)[1][0], h)
    (h * w).sum().backward()
    out.append(f"case {name}t a gru in a scan")
    write("param", f"{name}_x", x)
    for k, v in (word_params | cell_params).items():
        write_drawn("param", k, v)
    write_drawn("arg", "w", w)
    write("out", "h", h)
    write("grad", f"{name}_x", leaf.grad)
    for part, module in ("words", words), ("sentences", cell):
        for k, v in module.named_parameters():
            write("grad", f"{name}.{part}.{k}", v.grad)
    lines = [f'param x "{name}_x": {type_of(x)} = zeros()', f"h = scan sentence in x from h = full([2, {HIDDEN}], 0.0) {{",
             f'    ys, last = gru(sentence, {HIDDEN}, name="{name}.words")',
             f'    h = rnn_cell(last[0], h, {HIDDEN}, name="{name}.sentences")', "}", "minimize sum(h * w) with take()"]
    entry("train", f"{name}t", {"w": type_of(w)}, lines, {"h": type_of(w)})


def own_scan(what, shapes, sizes, args, lines, loss, types):
    """A loop written by hand: the gradients of loss(leaves, args), for several run-time sizes. shapes: of the parameters,
    of which `x` is a whole of which a call reads [:T, :N]; args: what each call gets, by (T, N)."""
    global count
    name, count = f"r{count}", count + 1
    params = {k: draw(f"{name}.{k}", shape) for k, shape in shapes.items()}
    for steps, rows in sizes:
        leaves = {k: v.double().requires_grad_() for k, v in params.items()}
        given = {k: draw(f"{name}.{k}.{steps}", shape) for k, shape in args(steps, rows).items()}
        value = loss(leaves["x"][:steps, :rows], leaves, given)
        value.backward()
        out.append(f"case {name}t {what}")
        out.append(f"size {steps} {rows}")
        for k, v in params.items():
            write("param", f"{name}_{k}", v)
        for k, v in given.items():
            write("arg", k, v)
        write("out", "loss", value)
        for k, v in leaves.items():
            write("grad", f"{name}_{k}", gradient(v))
    declared = [f'param {"whole" if k == "x" else k} "{name}_{k}": {type_of(v)} = zeros()' for k, v in params.items()]
    entry("train", f"{name}t", types, declared + ["x = whole[:T, :N]"] + lines + ["minimize loss with take()"],
          {"loss": "f32[]"})


def scans():
    """Loops written by hand: reversed and masked, one in another, and gradients of gradients."""
    sizes = [(MOST_STEPS, MOST_BATCH), (4, 3), (1, 1)]
    x = (MOST_STEPS, MOST_BATCH, INPUTS)
    square = {"x": x, "u": (INPUTS, HIDDEN), "v": (HIDDEN, HIDDEN)}

    def masked(x, p, a):
        h, loss = torch.full((x.shape[1], HIDDEN), 0.25).double(), 0
        for t in reversed(range(len(x))):
            h = torch.where(a["m"][t] > 0, torch.tanh(x[t] @ p["u"] + h @ p["v"]), h)
            loss = loss + (h * h * a["w"][t]).sum()
        return loss + (h**3).sum()

    own_scan("reversed and masked", square, sizes,
             lambda t, n: {"m": (t, n, HIDDEN), "w": (t, n, HIDDEN)},
             masked_lines := ["y, h = scan xt in x, mt in m, reverse=true from h = full([N, 3], 0.25) {",
                              "    h = select(mt > 0, tanh(xt @ u + h @ v), h)", "    yield h * h", "}",
                              "loss = sum(y * w) + sum(h ** 3)"], masked,
             {"m": "f32[T, N, 3]", "w": "f32[T, N, 3]"})

    def inner(x, p, a):
        h, loss = p["h"], 0
        for row in x.unbind(1):
            c = h * 0.5
            for t in reversed(range(len(row))):
                c = torch.tanh(c + row[t] * h)
                loss = loss + (c * a["w"][t]).sum()
            h = h + c
        return loss + (h * h).sum()

    own_scan("a reversed loop in a loop", {"x": x, "h": (INPUTS,)}, sizes, lambda t, n: {"w": (t, INPUTS)},
             ["all, s = scan row in x over 1 from s = h {", "    ys, c = scan e in row, reverse=true from c = s * 0.5 {",
              "        c = tanh(c + e * s)", "        yield c", "    }", "    s = s + c", "    yield ys", "}",
              "loss = sum(all * broadcast(w[none], [N, T, 4])) + sum(s * s)"], inner, {"w": "f32[T, 4]"})

    def penalty(x, p, a):
        first = masked(x, p, a)
        dx, dv = torch.autograd.grad(first, [x, p["v"]], create_graph=True)
        return first + (dx * dx).sum() + (dv**3).sum()

    own_scan("gradients of the gradients of a loop", square, [*sizes[:2], (2, 2)],
             lambda t, n: {"m": (t, n, HIDDEN), "w": (t, n, HIDDEN)},
             masked_lines + ["dx = grad(loss, x)", "dv = grad(loss, v)", "loss = loss + sum(dx * dx) + sum(dv ** 3)"],
             penalty, {"m": "f32[T, N, 3]", "w": "f32[T, N, 3]"})


if __name__ == "__main__":
    options()
    ends()
    run_time()
    wide()
    steps()
    nested()
    scans()
    here = os.path.join(layers.HERE, "..")
    with open(os.path.join(here, "nets", "recurrent.dl"), "w") as f:
        f.write("# Printed by tests/oracle/recurrent.py: entries for the cases of tests/golden/data/recurrent.txt.\n"
                f"dim T <= {MOST_STEPS}\ndim N <= {MOST_BATCH}\n"
                "optimizer take(p: T[...S], g: T[...S], t: i64[]) { return g }\n\n" + "\n".join(dl))
    with open(os.path.join(here, "golden", "data", "recurrent.txt"), "w") as f:
        f.write("\n".join(out) + "\n")
    print(count, "cases")
