"""Golden numbers from PyTorch for tests/tools/layers.c: every optimiser with its options over some steps: parameters and
state from the same gradients.

    python tests/oracle/optimizers.py        writes tests/nets/optimizers.dl and tests/golden/data/optimizers.txt

The loss is sum(p * g), so g is the gradient. PyTorch computes in double. Lion is not in PyTorch: the lines below are
algorithm 2 of Chen et al. 2023, Symbolic Discovery of Optimization Algorithms.
"""
import os

import torch

import layers
from layers import uniform, write

SHAPE, STEPS = (2, 10), 4
SCALES = (1.0, 0.1, 2.0, 0.01)  # of the gradients: the largest second moment is not the last
RATES = (0.1, 0.05, 0.2, 0.02)  # where lr is an input
dl, out = layers.dl, layers.out
count = 0


class Lion(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0, maximize=False):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay, maximize=maximize))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                m = self.state[p].setdefault("exp_avg", torch.zeros_like(p))
                g = -p.grad if group["maximize"] else p.grad
                c = beta1 * m + (1 - beta1) * g
                p -= group["lr"] * (c.sign() + group["weight_decay"] * p)
                m.mul_(beta2).add_((1 - beta2) * g)


def text_of(value):
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value)) if isinstance(value, tuple) else repr(value)


def optimizer(name, cls, lr=None, steps=STEPS, **options):
    """lr: a number, or None for an input that changes from step to step."""
    global count
    entry = f"o{count}"
    given = [f"lr={'lr' if lr is None else lr}"] if lr != "default" else []
    call = f"{name}({', '.join(given + [f'{k}={text_of(v)}' for k, v in options.items()])})"
    count += 1
    start = uniform(300 + count, SHAPE, -1, 1)
    p = torch.nn.Parameter(start.double())
    rate = {} if lr == "default" else {"lr": 0.0 if lr is None else lr}
    trained = cls([p], **rate, **options)
    path = f"{entry}_p"
    for step in range(steps):
        out.append(f"case {entry} {call}, step {step + 1}")
        if step == 0:
            write("param", path, start, layers.drawn_from[id(start)][1])
        g = uniform(400 + 20 * count + step, SHAPE, -SCALES[step % STEPS], SCALES[step % STEPS])
        if step == 0:
            g = g * (torch.arange(10) % 5 != 3)  # a parameter that the first batch does not reach
            write("arg", "g", g)
        else:
            write("arg", "g", g, layers.drawn_from[id(g)][1])
        if lr is None:
            write("arg", "lr", torch.tensor(RATES[step % STEPS]))
            trained.param_groups[0]["lr"] = float(torch.tensor(RATES[step % STEPS]))
        p.grad = g.double()
        trained.step()
        write("after", path, p)
        for k, v in trained.state[p].items():
            if k != "step" and v is not None:
                write("after", f"optim.{entry}.0.{path}.{k}", torch.as_tensor(v))
    args = f"g: f32[{', '.join(map(str, SHAPE))}]" + (", lr: f32[]" if lr is None else "")
    dl.append(f'train {entry}({args}) -> (y: f32[]) {{\n    param p "{path}": f32[{SHAPE[0]}, {SHAPE[1]}] = zeros()\n'
              f"    y = sum(p * g)\n    minimize y with {call}\n    return y\n}}\n")


def all_of(name, cls, variants, **common):
    optimizer(name, cls, "default")
    for options in variants:
        optimizer(name, cls, **{**common, **options})
    optimizer(name, cls, lr=0.3, weight_decay=0.1)
    optimizer(name, cls, maximize=True)
    optimizer(name, cls, weight_decay=0.2, maximize=True)


if __name__ == "__main__":
    O = torch.optim
    all_of("sgd", O.SGD, [{}, {"momentum": 0.9}, {"momentum": 0.9, "dampening": 0.4},
                          {"momentum": 0.8, "dampening": 0.1, "weight_decay": 0.05, "maximize": True},
                          {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}])
    moments = [{"betas": (0.5, 0.99), "eps": 1e-3}, {"betas": (0.0, 0.0)}, {"betas": (0.9, 0.99999), "eps": 1e-6}]
    averages = [{"amsgrad": True}, {"amsgrad": True, "weight_decay": 0.1, "maximize": True, "eps": 0.1}]
    all_of("adam", O.Adam, moments + averages + [{"decoupled_weight_decay": True, "weight_decay": 0.5}])
    all_of("adamw", O.AdamW, moments + averages + [{"weight_decay": 0}])
    all_of("nadam", O.NAdam, moments + [{"momentum_decay": 0.1},
                                        {"decoupled_weight_decay": True, "weight_decay": 0.5}])
    all_of("adamax", O.Adamax, [{"betas": (0.5, 0.99), "eps": 1e-3}, {"betas": (0.0, 0.9)}])
    # It begins to divide after five steps.
    all_of("radam", O.RAdam, [{"steps": 8}, {"betas": (0.5, 0.99), "eps": 1e-3, "steps": 8}, {"betas": (0.9, 0.6)},
                              {"betas": (0.0, 0.99999), "steps": 8}, {"betas": (0.9, 0.7), "steps": 9},
                              {"decoupled_weight_decay": True, "weight_decay": 0.5, "steps": 7}])
    all_of("rmsprop", O.RMSprop, [{"alpha": 0.5, "eps": 1e-2}, {"centered": True}, {"momentum": 0.9},
                                  {"centered": True, "momentum": 0.5, "weight_decay": 0.1, "alpha": 0.9}])
    all_of("adagrad", O.Adagrad, [{"lr_decay": 0.3}, {"initial_accumulator_value": 0.25}, {"eps": 0.1},
                                  {"initial_accumulator_value": 2, "lr_decay": 0.1, "weight_decay": 0.1}])
    all_of("adadelta", O.Adadelta, [{"rho": 0.5}, {"eps": 1e-2}, {"rho": 0.0}])
    all_of("lion", Lion, [{"betas": (0.5, 0.8)}, {"betas": (0.0, 0.9)}])
    here = os.path.join(layers.HERE, "..")
    with open(os.path.join(here, "nets", "optimizers.dl"), "w") as f:
        f.write("# Printed by tests/oracle/optimizers.py: one entry for each case of tests/golden/data/optimizers.txt.\n"
                + "\n".join(dl))
    with open(os.path.join(here, "golden", "data", "optimizers.txt"), "w") as f:
        f.write("\n".join(out) + "\n")
    print(count, "entries")
