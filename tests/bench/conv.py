# conv.py NETWORK LIBRARY: inference by the C that dlc made, beside ONNX Runtime and PyTorch on the same weights.
# LIBRARY is that C as a shared library, made with --entry=forward --prefix=net. One thread each; the three take turns in
# this one process. Medians of rounds in CPU time, and the largest difference from PyTorch over its largest number.
import ctypes
import statistics
import sys
import tempfile
import time

import numpy as np
import onnxruntime
import safetensors.torch
import torch
from torch import nn


class Mynet(nn.Module):
    def __init__(self, p=0.0):
        super().__init__()
        self.dropout = nn.Dropout(p)
        self.conv1 = nn.Conv2d(3, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.conv3 = nn.Conv2d(64, 128, 3, padding=1)
        self.fc1 = nn.Linear(128 * 12 * 12, 512)
        self.fc2 = nn.Linear(512, 10)

    def forward(self, x):
        x = torch.relu(self.conv1(x))
        x = nn.functional.max_pool2d(torch.relu(self.conv2(x)), 2)
        x = nn.functional.max_pool2d(torch.relu(self.conv3(x)), 2)
        return self.fc2(self.dropout(torch.relu(self.fc1(self.dropout(x.flatten(1))))))


def network(name):
    if name == "mynet":
        return Mynet(), 48, 10, (64, 1)
    import torchvision

    net = getattr(torchvision.models, name)(weights=None)
    net.train()
    with torch.no_grad():  # running means and variances that are not 0 and 1
        for _ in range(2):
            net(torch.randn(4, 3, 224, 224))
    return net, 224, 1000, (8, 1)


class Dlc:
    def __init__(self, library, weights, classes):
        self.lib, self.classes = ctypes.CDLL(library), classes
        self.lib.net_new.restype = ctypes.c_void_p
        self.lib.net_error.restype = ctypes.c_char_p
        self.net = ctypes.c_void_p(self.lib.net_new())
        if self.lib.net_load(self.net, weights.encode()):
            sys.exit(self.lib.net_error(self.net).decode())

    def __call__(self, x):
        y = np.empty((len(x), self.classes), np.float32)
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (x, y)]
        if self.lib.net_forward(self.net, ctypes.c_int32(len(x)), *pointers):
            sys.exit(self.lib.net_error(self.net).decode())
        return y


def onnx_runtime(net, x, path):
    torch.onnx.export(net, (torch.from_numpy(x),), path, input_names=["image"], dynamo=True, external_data=False, verbose=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"image": x})[0]


def pytorch(net):
    def run(x):
        with torch.no_grad():
            return net(torch.from_numpy(x)).numpy()

    return run


def compare(runs, x, rounds):
    seconds = [[] for _ in runs]
    answers = [run(x) for run in runs]
    for _ in range(rounds):
        for run, times in zip(runs, seconds):
            start = time.process_time()
            run(x)
            times.append(time.process_time() - start)
    want = answers[-1]
    errors = [abs(answer - want).max() / abs(want).max() for answer in answers]
    return [1e3 * statistics.median(times) for times in seconds], errors


def main(name, library):
    torch.set_num_threads(1)
    torch.manual_seed(1)
    net, size, classes, batches = network(name)
    net.eval()
    with tempfile.TemporaryDirectory() as folder:
        weights = folder + "/net.safetensors"
        safetensors.torch.save_file({k: v.contiguous() for k, v in net.state_dict().items()}, weights)
        dlc = Dlc(library, weights, classes)
        for batch in batches:
            x = torch.randn(batch, 3, size, size).numpy()
            runs = [dlc, onnx_runtime(net, x, folder + "/net.onnx"), pytorch(net)]
            (ours, theirs, torchs), errors = compare(runs, x, 201 if size < 50 and batch == 1 else 21)
            print(
                f"  {name}, batch {batch:2}: dlc {ours:7.3f} ms   ONNX Runtime {onnxruntime.__version__} {theirs:7.3f} ms"
                f"   PyTorch {torch.__version__} {torchs:7.3f} ms   dlc / ONNX Runtime {ours / theirs:.2f}"
                f"   max error / max value {errors[0]:.1e} (ONNX Runtime {errors[1]:.1e})"
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
