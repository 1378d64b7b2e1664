"""torchvision's own models with random weights: what the C says of one picture, against PyTorch.

    python tests/oracle/torchvision_check.py DIR             saves DIR/resnet18.safetensors and mobilenet_v2.safetensors
    python tests/oracle/torchvision_check.py DIR NET FILE    compares FILE, what examples/resnet/main.c printed, with PyTorch

The running statistics of the norms are those of a few batches, so that they matter. The picture is the random one of
main.c, 64 x 64.
"""
import os
import re
import sys

import numpy as np
import torch
import torchvision
from safetensors.torch import load_file, save_file

SIDE = 64


def model(net):
    return getattr(torchvision.models, net)(num_classes=1000)


def save(folder):
    torch.manual_seed(1)
    for net in ("resnet18", "mobilenet_v2"):
        m = model(net).train()
        with torch.no_grad():
            for _ in range(3):
                m(torch.randn(8, 3, SIDE, SIDE) * 1.5 + 0.3)
        save_file(m.state_dict(), os.path.join(folder, net + ".safetensors"))


def picture():
    image, random = np.empty(3 * SIDE * SIDE, dtype=np.float32), 1
    for k in range(image.size):
        random = (random * 1664525 + 1013904223) & 0xFFFFFFFF
        image[k] = (random >> 8) / 16777216.0
    x = torch.from_numpy(image.reshape(1, 3, SIDE, SIDE))
    return torchvision.transforms.functional.normalize(x, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def check(folder, net, path):
    m = model(net).eval()
    m.load_state_dict(load_file(os.path.join(folder, net + ".safetensors")))
    with torch.no_grad():
        p = 100 * m(picture())[0].softmax(0)
    found = re.findall(r"class +(\d+) +([\d.]+) %", open(path).read())
    best = p.topk(5)
    assert [int(k) for k, _ in found] == best.indices.tolist(), (found, best)
    assert all(abs(float(v) - w) < 1.01e-4 for (_, v), w in zip(found, best.values.tolist())), (found, best)
    print(f"{net}: the same five classes and probabilities as torchvision")


if len(sys.argv) == 2:
    save(sys.argv[1])
elif len(sys.argv) == 4:
    check(*sys.argv[1:])
else:
    sys.exit(__doc__)
