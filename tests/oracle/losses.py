"""Golden numbers from PyTorch for tests/tools/layers.c: every loss with its options and reductions (the sum once for each
loss) on a batch below the bound, the means on a full one too.

    python tests/oracle/losses.py        writes tests/nets/losses.dl and tests/golden/data/losses.txt

PyTorch computes in double. Float inputs with a batch axis are parameters of the bound's rows, of which an entry gathers
the first N: the optimizer `take` then leaves d sum(y * w) / d input in them, zero after the batch.
"""
import math
import os

import torch
import torch.nn.functional as F

import layers
from layers import type_of, uniform, write

BOUND, LESS = 6, 4
dl, out = layers.dl, layers.out
count, seen_losses = 0, set()
i64 = torch.int64


def sized(t, sizes):
    return f"{layers.DTYPES[t.dtype]}[{', '.join(map(str, sizes))}]"


def loss(text, torch_fn, inputs, fixed=None, kept=(), sizes=(BOUND, LESS)):
    """text over the inputs' names; torch_fn(**inputs, **fixed). `fixed` has no batch axis; `kept` are arguments, not
    trained."""
    global count
    fixed = fixed or {}
    first = text.split("(")[0] not in seen_losses
    seen_losses.add(text.split("(")[0])
    for reduction in ("none", "sum", "mean") if first else ("none", "mean"):
        name = f"e{count}"
        count += 1
        if "batchmean" in text and reduction != "mean":
            continue
        call = text.replace("REDUCTION", reduction)
        leaves = {k: v for k, v in inputs.items() if v.is_floating_point() and k not in kept}
        for n in sizes if reduction == "mean" else (LESS,):
            run(name, call, torch_fn, inputs, leaves, fixed, reduction, n)
        rest = {k: v for k, v in inputs.items() if k not in leaves}
        y = "f32[N%s]" % "".join(f", {d}" for d in shape[1:]) if reduction == "none" else "f32[]"
        args = [f"{k}: {sized(v, ['N', *v.shape[1:]])}" for k, v in rest.items()]
        args += [f"{k}: {type_of(v)}" for k, v in fixed.items()] + [f"w: {y}"]
        lines = [f'    param {k}_all "{name}_{k}": {type_of(v)} = zeros()\n'
                 f"    {k} = gather({k}_all, iota([N], 0, i32))" for k, v in leaves.items()]
        dl.append(f"train {name}({', '.join(args)}) -> (y: {y}) {{\n" + "\n".join(lines) + f"\n    y = {call}\n"
                  "    minimize sum(y * w) with take()\n    return y\n}\n")


def run(name, call, torch_fn, inputs, leaves, fixed, reduction, n):
    global shape
    out.append(f"case {name} {call}")
    out.append(f"size {n}")
    whole = {k: v.double().requires_grad_() for k, v in leaves.items()}
    seen = {}
    for k, v in inputs.items():
        if k in leaves:
            write("param", f"{name}_{k}", v, layers.drawn_from.get(id(v), (None, None))[1])
            seen[k] = whole[k][:n]
        else:
            write("arg", k, v[:n])
            seen[k] = v[:n].double() if v.is_floating_point() else v[:n].long()
    for k, v in fixed.items():
        write("arg", k, v)
        seen[k] = v.double()
    y = torch_fn(reduction=reduction, **seen)
    shape = y.shape
    w = uniform(9000 + count, tuple(y.shape), -1, 1)
    write("arg", "w", w)
    write("out", "y", y)
    (y * w.double()).sum().backward()
    for k, v in whole.items():
        write("grad", f"{name}_{k}", v.grad)


def labels(shape, classes, seed):
    return (uniform(seed, shape, 0, 1) * classes).long().clamp(max=classes - 1)


def cross_entropies():
    C = 7
    x = uniform(101, (BOUND, C), -3, 3)
    y = labels((BOUND,), C, 102)
    w = {"weight": uniform(103, (C,), 0.2, 2)}
    flat = {"input": x, "target": y}
    loss('cross_entropy(input, target, reduction="REDUCTION")', F.cross_entropy, flat)
    for name, given in (("", None), ("weight=weight, ", w)):
        for smoothing in (0.0, 0.1, 1.0):
            loss(f'cross_entropy(input, target, {name}label_smoothing={smoothing}, reduction="REDUCTION")',
                 lambda **a: F.cross_entropy(**a, label_smoothing=smoothing), flat, given)
    # Ignored by a number of no class, and by a class.
    holes = {"input": x, "target": torch.where(torch.arange(BOUND) % 3 == 1, -100, y)}
    loss('cross_entropy(input, target, weight, reduction="REDUCTION", label_smoothing=0.2)',
         lambda **a: F.cross_entropy(**a, label_smoothing=0.2), holes, w)
    loss('cross_entropy(input, target, reduction="REDUCTION")', F.cross_entropy, holes)
    some = {"input": x, "target": torch.tensor([3, 1, 3, 0, 6, 3])}
    loss('cross_entropy(input, target, none, 3, "REDUCTION", 0.1)',
         lambda **a: F.cross_entropy(**a, ignore_index=3, label_smoothing=0.1), some)
    loss('nll_loss(log_softmax(input), target, weight, ignore_index=3, reduction="REDUCTION")',
         lambda input, **a: F.nll_loss(F.log_softmax(input, 1), ignore_index=3, **a), some, w)
    loss('cross_entropy(input, target, ignore_index=3, reduction="REDUCTION")',
         lambda **a: F.cross_entropy(**a, ignore_index=3), {"input": x, "target": torch.full((BOUND,), 3)}, sizes=(LESS,))
    # Out of range: as PyTorch's ignored ones, which do not count.
    wrong = {"input": x, "target": torch.tensor([-1, 2, 7, 1 << 40, 0, 5])}
    loss('cross_entropy(input, target, weight, reduction="REDUCTION")',
         lambda target, **a: F.cross_entropy(target=torch.where((target < 0) | (target >= C), -100, target), **a), wrong, w)
    loss('nll(input, target, reduction="REDUCTION")', F.nll_loss, {"input": x, "target": y.int()})
    out_of = {"input": torch.where(torch.arange(C) == 2, -math.inf, x), "target": torch.full((BOUND,), 4)}
    loss('cross_entropy(input, target, reduction="REDUCTION")', F.cross_entropy, out_of)
    big = {"input": uniform(104, (BOUND, C), -1e4, 1e4), "target": y}
    loss('cross_entropy(input, target, reduction="REDUCTION")', F.cross_entropy, big)
    # Trailing dims.
    image = {"input": uniform(105, (BOUND, C, 2, 3), -2, 2), "target": labels((BOUND, 2, 3), C, 106).clone()}
    image["target"][1, 1, 1:] = -100
    loss('cross_entropy(input, target, weight, label_smoothing=0.1, reduction="REDUCTION")',
         lambda **a: F.cross_entropy(**a, label_smoothing=0.1), image, w)
    loss('nll(log_softmax(input, axis=1), target, reduction="REDUCTION")',
         lambda input, **a: F.nll_loss(F.log_softmax(input, 1), **a), {k: v[:, ..., 0] for k, v in image.items()})
    # Probabilities.
    p = uniform(107, (BOUND, C), 0, 1)
    for name, given in (("", None), ("weight=weight, ", w)):
        for smoothing in (0.0, 0.3):
            loss(f'cross_entropy(input, target, {name}reduction="REDUCTION", label_smoothing={smoothing})',
                 lambda **a: F.cross_entropy(**a, label_smoothing=smoothing), {"input": x, "target": p / p.sum(1, keepdim=True)},
                 given)
    loss('cross_entropy(input, target, weight, reduction="REDUCTION")', F.cross_entropy,
         {"input": image["input"], "target": uniform(108, (BOUND, C, 2, 3), 0, 1)}, w)


def binary():
    z = uniform(111, (BOUND, 5), 0, 1)
    x = uniform(112, (BOUND, 5), -4, 4)
    ends = x.clone()
    ends[0], ends[1] = torch.tensor([0.0, 100.0, -100.0, 1e37, -1e37]), torch.tensor([-0.0, -50.0, 50.0, 1e-30, 20.0])
    hard = (z > 0.5).float()
    each, one = {"weight": uniform(113, (BOUND, 5), 0, 2)}, {"weight": uniform(114, (5,), 0, 2)}
    pos = {"pos_weight": uniform(115, (5,), 0.2, 4)}
    for f, ours in ((F.binary_cross_entropy_with_logits, "bce_with_logits"),
                    (F.binary_cross_entropy_with_logits, "binary_cross_entropy_with_logits")):
        loss(f'{ours}(input, target, reduction="REDUCTION")', f, {"input": x, "target": z})
    f = F.binary_cross_entropy_with_logits
    loss('bce_with_logits(input, target, reduction="REDUCTION")', f, {"input": ends, "target": hard}, kept=("target",))
    loss('bce_with_logits(input, target, weight, "REDUCTION")', f, {"input": x, "target": z, **each}, kept=("weight",))
    loss('bce_with_logits(input, target, weight, "REDUCTION", pos_weight)', f, {"input": x, "target": z}, {**one, **pos})
    loss('bce_with_logits(input, target, pos_weight=pos_weight, reduction="REDUCTION")', f, {"input": ends, "target": hard},
         pos, kept=("target",))
    image = {"input": uniform(116, (BOUND, 2, 3, 4), -3, 3), "target": uniform(117, (BOUND, 2, 3, 4), 0, 1)}
    loss('bce_with_logits(input, target, pos_weight=pos_weight, reduction="REDUCTION")', f, image,
         {"pos_weight": uniform(118, (2, 1, 1), 0.5, 3)})
    f = F.binary_cross_entropy
    p = uniform(119, (BOUND, 5), 0.01, 0.99)
    loss('binary_cross_entropy(input, target, reduction="REDUCTION")', f, {"input": p, "target": z})
    loss('bce(input, target, weight, reduction="REDUCTION")', f, {"input": p, "target": z, **each}, kept=("weight",))
    loss('bce(input, target, weight, "REDUCTION")', f, {"input": p, "target": z}, one, kept=("target",))
    p = p.clone()
    p[0], p[1] = torch.tensor([0.0, 1.0, 1e-6, 1 - 2**-24, 1e-13]), torch.tensor([1.0, 0.0, 1e-20, 1e-38, 1e-11])
    for target in (hard, 1 - hard, z):
        loss('bce(input, target, reduction="REDUCTION")', f, {"input": p, "target": target}, kept=("target",))


def distances():
    shape = (BOUND, 2, 5)
    a, b = uniform(121, shape, -2, 2), uniform(122, shape, -2, 2)
    a = a.clone()
    a[0, 0, :3] = b[0, 0, :3]  # no distance
    a[1, 0, :2] = torch.tensor([1e30, -1e25])
    near = {"input": a, "target": b}
    plain = {"input": uniform(123, shape, -2, 2), "target": b}
    w = {"weight": uniform(124, shape, 0.1, 2)}
    for name, f in (("mse", F.mse_loss), ("l1", F.l1_loss), ("huber", F.huber_loss)):
        loss(f'{name}(input, target, "REDUCTION")', f, plain)
        loss(f'{name}_loss(input, target, weight=weight, reduction="REDUCTION")', f, {**plain, **w}, kept=("weight",))
    loss('l1_loss(input, target, reduction="REDUCTION")', F.l1_loss, near)
    for delta in (0.25, 3.0):
        loss(f'huber_loss(input, target, "REDUCTION", {delta})', lambda **k: F.huber_loss(**k, delta=delta), plain)
    loss('huber(input, target, delta=0.5, reduction="REDUCTION")', lambda **k: F.huber_loss(**k, delta=0.5), near)
    for beta in (1.0, 0.25, 3.0, 0.0):
        loss(f'smooth_l1(input, target, "REDUCTION", {beta})', lambda **k: F.smooth_l1_loss(**k, beta=beta), plain)
    loss('smooth_l1_loss(input, target, reduction="REDUCTION")', F.smooth_l1_loss, near)


def others():
    shape = (BOUND, 7)
    p, q = uniform(131, shape, 0.01, 1), uniform(132, shape, -3, 0)
    zeros = torch.where(torch.arange(7) % 3 == 0, 0, p)
    loss('kl_div(input, target, reduction="REDUCTION")', F.kl_div, {"input": q, "target": p})
    loss('kl_div(input, target, "REDUCTION")', F.kl_div, {"input": q, "target": zeros}, kept=("target",))
    loss('kl_div(input, target, log_target=true, reduction="REDUCTION")', lambda **k: F.kl_div(**k, log_target=True),
         {"input": q, "target": uniform(133, shape, -4, 0)})
    for log in (False, True):
        loss(f'kl_div(input, target, "batchmean", log_target={str(log).lower()})',
             lambda input, target, reduction: F.kl_div(input, target, reduction="batchmean", log_target=log),
             {"input": q, "target": uniform(134, shape, -4, 0) if log else p})
    pair = {"input1": uniform(135, shape, -1, 1), "input2": uniform(136, shape, -0.6, 1).clone()}
    pair["input2"][3] = 0
    sign = torch.tensor([1, -1, -1, 1, -1, 1])
    for margin in (0.0, 0.3, -0.4):
        loss(f'cosine_embedding_loss(input1, input2, target, {margin}, "REDUCTION")',
             lambda **k: F.cosine_embedding_loss(**k, margin=margin), {**pair, "target": sign})
    loss('cosine_embedding(input1, input2, target, reduction="REDUCTION")', F.cosine_embedding_loss,
         {**pair, "target": sign.float()}, kept=("target",))


if __name__ == "__main__":
    cross_entropies()
    binary()
    distances()
    others()
    here = os.path.join(layers.HERE, "..")
    with open(os.path.join(here, "nets", "losses.dl"), "w") as f:
        f.write("# Printed by tests/oracle/losses.py: one entry for each case of tests/golden/data/losses.txt.\n"
                f"dim N <= {BOUND}\noptimizer take(p: T[...S], g: T[...S], t: i64[]) {{ return g }}\n\n" + "\n".join(dl))
    with open(os.path.join(here, "golden", "data", "losses.txt"), "w") as f:
        f.write("\n".join(out) + "\n")
    print(len(dl), "entries")
