# compare.py: the training of charlm in PyTorch, from the same weights, on the same windows.
#     compare.py TEXT DIR EPOCHS [LIMIT] [LR]
# DIR has the vocabulary and the weights that `charlm train --epochs 0 --save DIR` wrote before any training.
import json
import math
import re
import struct
import sys
import time

import torch

N, T = 32, 64
torch.set_num_threads(1)


def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, info in json.loads(data[8:8 + size]).items():
        if name != "__metadata__":
            begin, end = (8 + size + offset for offset in info["data_offsets"])
            tensors[name] = torch.frombuffer(bytearray(data[begin:end]), dtype=torch.float32).reshape(info["shape"])
    return tensors


def read_vocabulary(path):
    with open(path, "rb") as file:
        first, *tokens = file.read().decode().split("\n")[:-1]
    tokens = [re.sub(r"\\x(..)", lambda m: chr(int(m[1], 16)), token) for token in tokens]
    return first.split()[2], {token: k for k, token in enumerate(tokens)}


class Net(torch.nn.Module):
    def __init__(self, weights):
        super().__init__()
        self.embedding = torch.nn.Embedding(*weights["embedding.weight"].shape)
        layers = sum(name.startswith("lstm.weight_hh_l") for name in weights)
        tokens, hidden = weights["head.weight"].shape
        self.lstm = torch.nn.LSTM(weights["embedding.weight"].shape[1], hidden, layers)
        self.head = torch.nn.Linear(hidden, tokens)
        self.load_state_dict(weights)

    def forward(self, token, state):
        y, state = self.lstm(self.embedding(token), state)
        return self.head(y), state


# The windows of kit_windows_next: (T, N) inputs and targets; the last one may be shorter.
def windows(ids):
    each = (len(ids) - 1) // N
    inputs = ids[:N * each].reshape(N, each).T
    targets = ids[1:N * each + 1].reshape(N, each).T
    for at in range(0, each, T):
        yield inputs[at:at + T], targets[at:at + T]


def loss_of(net, token, target, state):
    logits, state = net(token, state)
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten()), [s.detach() for s in state]


def main(path, directory, epochs, limit=None, lr=4e-3):
    with open(path, "rb") as file:
        text = re.sub(rb"(?m)^[^: \n]*[0-9]:[0-9]+ ", b"", file.read())
    text = text[:int(limit or len(text))]
    cut = len(text) - len(text) // 20
    line_end = text.find(b"\n", cut, cut + len(text) // 40)
    cut = cut if line_end < 0 else line_end + 1
    kind, vocabulary = read_vocabulary(directory + "/vocabulary")
    split = list if kind == "characters" else re.compile(r"\w+(?:['-]\w+)*|\S").findall
    train, held = (torch.tensor([vocabulary.get(token, 0) for token in split(part.decode())])
                   for part in (text[:cut], text[cut:]))

    net = Net(read_safetensors(directory + "/charlm.safetensors"))
    optimizer = torch.optim.Adam(net.parameters(), lr=float(lr))
    epochs, step = int(epochs), 0
    steps = epochs * len(list(windows(train)))
    for epoch in range(epochs):
        state, total, start = None, 0.0, time.perf_counter()
        for token, target in windows(train):
            for group in optimizer.param_groups:
                group["lr"] = float(lr) * (1 + math.cos(math.pi * step / steps)) / 2
            optimizer.zero_grad()
            loss, state = loss_of(net, token, target, state)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            total += loss.item() * target.numel()
            step += 1
        count, seconds = (len(train) - 1) // N * N, time.perf_counter() - start
        with torch.no_grad():
            state, sum_held = None, 0.0
            for token, target in windows(held):
                loss, state = loss_of(net, token, target, state)
                sum_held += loss.item() * target.numel()
        print(f"epoch {epoch + 1}/{epochs}  bits: {total / count / math.log(2):.4f}, "
              f"held out {sum_held / ((len(held) - 1) // N * N) / math.log(2):.4f}  "
              f"{count / seconds:.0f}/s  {seconds:.1f} s", flush=True)


main(*sys.argv[1:])
