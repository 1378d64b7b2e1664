"""Golden numbers from PyTorch for tests/tools/goldens.c.

    python tests/oracle/goldens.py        writes tests/golden/data/*.txt

Inputs and initial parameters come from a hash of the element's number, which the C test computes too (`drawn`), so
only outputs are committed: every tensor, or a sample of every 97th element of the large ones. A line is
`tensor NAME COUNT STRIDE MAXABS` and then the values.
"""
import os

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "..", "golden", "data")


def drawn(seed, count):
    """count numbers in [0, 1), exact in float32: a hash of (seed, k)."""
    m = np.uint64(0xFFFFFFFF)
    k = np.arange(count, dtype=np.uint64)
    h = (k * np.uint64(2654435761) + np.uint64(seed) * np.uint64(40503) + np.uint64(12345)) & m
    h ^= h >> np.uint64(16)
    h = (h * np.uint64(2246822519)) & m
    h ^= h >> np.uint64(13)
    h = (h * np.uint64(3266489917)) & m
    h ^= h >> np.uint64(16)
    return (h >> np.uint64(8)).astype(np.float64) / 16777216.0


def uniform(seed, shape, low, high):
    values = low + (high - low) * drawn(seed, int(np.prod(shape)))
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def labels(seed, count, classes):
    return torch.from_numpy((drawn(seed, count) * classes).astype(np.int64))


class Writer:
    def __init__(self, name):
        self.file = open(os.path.join(OUT, name + ".txt"), "w")

    def tensor(self, name, value):
        flat = value.detach().reshape(-1).numpy()
        stride = 1 if flat.size <= 4096 else 97
        self.file.write(f"tensor {name} {flat.size} {stride} {np.abs(flat).max():.9g}\n")
        for v in flat[::stride]:
            self.file.write(f"{v:.9g}\n")


def train(name, params, forward, loss_of, batches, lr_of, optimizer):
    """Writes the logits at the start, parameters after one step and after all, each step's loss, logits at the end."""
    w = Writer(name)
    with torch.no_grad():
        for out, value in forward(batches[0][0]).items():
            w.tensor("first." + out, value)
    losses = []
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = lr_of(step)
        optimizer.zero_grad()
        loss = loss_of(forward(batch[0]), *batch[1:])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step == 0:
            for p, value in params.items():
                w.tensor("step1." + p, value)
    for p, value in params.items():
        w.tensor(f"step{len(batches)}." + p, value)
        w.tensor(f"momentum{len(batches)}." + p, optimizer.state[value]["momentum_buffer"])
    w.tensor("losses", torch.tensor(losses))
    with torch.no_grad():
        for out, value in forward(batches[0][0]).items():
            w.tensor("last." + out, value)


def parameters(shapes):
    """Each drawn in +-1/sqrt(fan_in) from the seed 100 + its position."""
    made = {}
    for k, (name, shape, fan_in) in enumerate(shapes):
        made[name] = uniform(100 + k, shape, -(fan_in**-0.5), fan_in**-0.5).requires_grad_()
    return made


def mlp():
    p = parameters([("fc1.weight", (256, 784), 784), ("fc1.bias", (256,), 784),
                    ("fc2.weight", (10, 256), 256), ("fc2.bias", (10,), 256)])

    def forward(x):
        h = F.relu(F.linear(x, p["fc1.weight"], p["fc1.bias"]))
        return {"logits": F.linear(h, p["fc2.weight"], p["fc2.bias"])}

    batches = []
    for step in range(20):
        n = 32 if step % 5 == 4 else 64
        batches.append((uniform(1000 + step, (n, 784), 0, 1), labels(2000 + step, n, 10)))
    train("mlp", p, forward, lambda out, label: F.cross_entropy(out["logits"], label), batches,
          lambda step: 0.05 * (1 - step / 20), torch.optim.SGD(p.values(), lr=0.05, momentum=0.9))


def small():
    p = parameters([("in.weight", (16, 20), 20), ("in.bias", (16,), 20), ("mix.weight", (16, 16), 16),
                    ("mix.bias", (16,), 16), ("code.weight", (6, 16), 16), ("out.weight", (5, 6), 6),
                    ("out.bias", (5,), 6)])

    def forward(x):
        h = torch.tanh(F.linear(x, p["in.weight"], p["in.bias"]))
        h = h + torch.sigmoid(F.linear(h, p["mix.weight"], p["mix.bias"]))
        h = F.softplus(F.linear(h, p["mix.weight"], p["mix.bias"]))
        code = F.linear(h, p["code.weight"])
        return {"logits": F.linear(torch.exp(-(code * code)), p["out.weight"], p["out.bias"]), "code": code}

    batches = []
    for step in range(20):
        n = 5 if step % 5 == 4 else 8
        batches.append((uniform(1000 + step, (n, 20), -1, 1), labels(2000 + step, n, 5),
                        uniform(3000 + step, (n, 6), -1, 1)))
    train("small", p, forward,
          lambda out, label, target: F.cross_entropy(out["logits"], label) + 0.5 * F.mse_loss(out["code"], target),
          batches, lambda step: 0.1,
          torch.optim.SGD(p.values(), lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True))


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    mlp()
    small()
