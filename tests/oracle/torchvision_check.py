"""torchvision's models and state_dict files: what examples/resnet says of one picture, against PyTorch.

    torchvision_check.py golden             writes tests/golden/safetensors/NET.safetensors and NET.txt, narrow nets in float16 and
                                            what torchvision says with them, for tests/examples/run.sh
    torchvision_check.py save DIR           saves the nets in full, DIR/NET.safetensors
    torchvision_check.py check DIR NET OUT  compares OUT, what the application printed, with torchvision and the saved file

Weights are torchvision's random ones; the running statistics of the norms are those of a few batches, so that they matter.
The picture is the random one of the application, 33 x 33 for `golden` and 64 x 64 for the others.
"""
import os
import re
import sys

import numpy as np
import torch
import torchvision
from safetensors.torch import load_file, save_file

from goldens import HERE, narrow_resnet18

GOLDEN = os.path.join(HERE, "..", "golden", "safetensors")
FULL = {"resnet18": torchvision.models.resnet18, "mobilenet_v2": torchvision.models.mobilenet_v2}
NARROW = {"resnet18": lambda: narrow_resnet18(4, 10),
          "mobilenet_v2": lambda: torchvision.models.mobilenet_v2(width_mult=0.1, num_classes=10)}


def lived_in(make, side):
    torch.manual_seed(1)
    m = make().train()
    with torch.no_grad():
        for _ in range(3):
            m(torch.randn(8, 3, side, side) * 1.5 + 0.3)
    return m.eval()


def picture(side):
    image, random = np.empty(3 * side * side, dtype=np.float32), 1
    for k in range(image.size):
        random = (random * 1664525 + 1013904223) & 0xFFFFFFFF
        image[k] = (random >> 8) / 16777216.0
    x = torch.from_numpy(image.reshape(1, 3, side, side))
    return torchvision.transforms.functional.normalize(x, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def best(m, side):
    with torch.no_grad():
        top = (100 * m.double()(picture(side).double())[0].softmax(0)).topk(5)
    return list(zip(top.indices.tolist(), top.values.tolist()))


def golden():
    for net, make in NARROW.items():
        path = os.path.join(GOLDEN, net + ".safetensors")
        m = lived_in(make, 64).half()
        save_file(m.state_dict(), path)
        with open(os.path.join(GOLDEN, net + ".txt"), "w") as f:
            for k, percent in best(m, 33):
                f.write(f"{k} {percent:.6f}\n")


def check(folder, net, path):
    m = FULL[net]().eval()
    m.load_state_dict(load_file(os.path.join(folder, net + ".safetensors")))
    found = [(int(k), float(v)) for k, v in re.findall(r"class +(\d+) +([\d.]+) %", open(path).read())]
    want = best(m, 64)
    assert len(found) == 5 and all(k == j and abs(v - w) < 1e-4 for (k, v), (j, w) in zip(found, want)), (found, want)
    print(f"{net}: the same five classes and probabilities as torchvision")


if sys.argv[1:] == ["golden"]:
    golden()
elif sys.argv[1:2] == ["save"]:
    for net, make in FULL.items():
        save_file(lived_in(make, 64).state_dict(), os.path.join(sys.argv[2], net + ".safetensors"))
elif sys.argv[1:2] == ["check"]:
    check(*sys.argv[2:])
else:
    sys.exit(__doc__)
