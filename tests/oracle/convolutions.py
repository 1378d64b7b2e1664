"""Convolutions, pools, norms and interpolation against PyTorch, for tests/tools/convolutions.c.

    python tests/oracle/convolutions.py        writes tests/nets/convolutions.dl and tests/golden/data/convolutions.txt

Each case is one `train` entry: image * scale goes through the layer, the loss is the sum of its result times a fixed
tensor, and the optimizer puts each gradient in its parameter's place. So the gradient of `scale` checks that of the
layer's input over a batch of run-time size. Cases with a state that training changes have a `model` entry too, which runs
first. Inputs are hashed from their names (goldens.py: drawn), so only results are committed.
"""
import os
import re
from collections import OrderedDict

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import goldens
from goldens import HERE, OUT, drawn

BATCH = 2


def seed_of(name):
    h = 0
    for c in name.encode():
        h = (h * 31 + c) & 0xFFFF
    return h


def filled(name, shape):
    low, high = (0.5, 1.5) if name.endswith("running_var") else (-1, 1)
    values = low + (high - low) * drawn(seed_of(name), int(np.prod(shape)))
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


class Sample(goldens.Writer):
    """About fifty elements of each tensor, all parts of it."""

    def tensor(self, name, value):
        flat = value.detach().reshape(-1).numpy()
        stride = max(1, flat.size // 50) | 1
        self.file.write(f"tensor {name} {flat.size} {stride} {max(np.abs(flat).max(), 1e-6):.7g}\n")
        for v in flat[::stride]:
            self.file.write(f"{v:.7g}\n")


CASES = []


def case(shape, dl, layer, both=False):
    """shape without the batch; dl: a call that is piped into, $ its name= ($.part: of a part of it); layer: a module
    or a function."""
    CASES.append((tuple(shape), dl, layer, both))


def conv(shape, out, kernel, dims=2, **options):
    words = "".join(f", {k}={dl_value(v)}" for k, v in options.items())
    case(shape, f"conv{dims}d({out}, {dl_value(kernel)}{words}, $)",
         (nn.Conv1d if dims == 1 else nn.Conv2d)(shape[0], out, kernel, **options))


def transposed(shape, out, kernel, dims=2, **options):
    words = "".join(f", {k}={dl_value(v)}" for k, v in options.items())
    case(shape, f"conv_transpose{dims}d({out}, {dl_value(kernel)}{words}, $)",
         (nn.ConvTranspose1d if dims == 1 else nn.ConvTranspose2d)(shape[0], out, kernel, **options))


def dl_value(v):
    if isinstance(v, bool):
        return str(v).lower()
    if isinstance(v, tuple):
        return "[" + ", ".join(map(str, v)) + "]"
    return f'"{v}"' if isinstance(v, str) else str(v)


def called(shape, dl, function, **options):
    words = ", ".join(f"{k}={dl_value(v)}" for k, v in options.items())
    case(shape, f"{dl}({words})", lambda x: function(x, **options))


conv((13, 11, 9), 7, 3, padding=1)
conv((16, 7, 5), 8, 1)
conv((5, 11, 8), 6, 3, stride=2, padding=1)
conv((4, 13, 12), 3, (5, 3), stride=(2, 3), padding=(2, 0), dilation=(1, 2), bias=False)
conv((15, 9, 7), 20, 3, padding=1, groups=5)
conv((13, 11, 9), 13, 3, padding=1, groups=13)
conv((13, 10, 9), 26, 3, stride=2, padding=1, groups=13)
conv((6, 9, 8), 5, 4, padding="same", dilation=2)
conv((3, 5, 6), 4, 3, padding=4)
conv((3, 7, 5), 9, (7, 5))
conv((3, 6, 6), 4, 3, padding="valid", stride=3)
conv((8, 9, 11), 6, 1, stride=2)
conv((130, 6, 5), 4, 3, padding=1)
conv((20, 12, 21), 24, 3)
conv((33, 8, 32), 40, 3, padding=1)
conv((4, 5, 6), 4, 2, stride=3, padding=1, dilation=3, groups=2)
conv((6, 17), 5, 3, dims=1)
conv((15, 23), 10, 4, dims=1, stride=2, padding=1, dilation=2, groups=5)
conv((3, 16), 4, 4, dims=1, padding="same")
transposed((6, 5, 4), 4, 3)
transposed((6, 5, 4), 8, 3, stride=2, padding=1, output_padding=1)
transposed((15, 4, 5), 10, (4, 2), stride=(2, 3), padding=(1, 0), groups=5, bias=False)
transposed((4, 5, 3), 6, 3, stride=2, dilation=2, output_padding=1, groups=2)
transposed((13, 4, 4), 13, 4, stride=2, padding=1, groups=13)
transposed((3, 4, 3), 2, 2, stride=3)
transposed((6, 9), 4, 3, dims=1, stride=2, padding=1)
transposed((6, 9), 4, 5, dims=1, padding=2, dilation=2, groups=2)

called((5, 11), "max_pool1d", F.max_pool1d, kernel_size=3, stride=2, padding=1)
called((5, 9, 10), "max_pool2d", F.max_pool2d, kernel_size=2)
called((5, 9, 10), "max_pool2d", F.max_pool2d, kernel_size=3, stride=2, padding=1)
called((5, 11, 10), "max_pool2d", F.max_pool2d, kernel_size=(3, 2), stride=(1, 2), padding=(1, 0), dilation=(2, 3))
called((5, 10, 8), "max_pool2d", F.max_pool2d, kernel_size=3, stride=2, padding=1, ceil_mode=True)
case((5, 9, 10), "relu |> max_pool2d(3, stride=1)", lambda x: F.max_pool2d(F.relu(x), 3, stride=1))
called((5, 11), "avg_pool1d", F.avg_pool1d, kernel_size=3, stride=2, padding=1, count_include_pad=False)
called((5, 12), "avg_pool1d", F.avg_pool1d, kernel_size=3, stride=2, ceil_mode=True)
called((5, 9, 10), "avg_pool2d", F.avg_pool2d, kernel_size=2)
called((5, 9, 10), "avg_pool2d", F.avg_pool2d, kernel_size=3, stride=2, padding=1)
called((5, 10, 8), "avg_pool2d", F.avg_pool2d, kernel_size=3, stride=2, padding=1, ceil_mode=True)
called((5, 10, 9), "avg_pool2d", F.avg_pool2d, kernel_size=(3, 2), stride=2, padding=1, ceil_mode=True,
       count_include_pad=False)
called((5, 9, 10), "avg_pool2d", F.avg_pool2d, kernel_size=3, divisor_override=5)
called((5, 12), "adaptive_avg_pool1d", F.adaptive_avg_pool1d, output_size=4)
called((5, 11), "adaptive_avg_pool1d", F.adaptive_avg_pool1d, output_size=4)
called((5, 12, 6), "adaptive_avg_pool2d", F.adaptive_avg_pool2d, output_size=(3, 6))
called((5, 11, 7), "adaptive_avg_pool2d", F.adaptive_avg_pool2d, output_size=(4, 5))
called((5, 3, 4), "adaptive_avg_pool2d", F.adaptive_avg_pool2d, output_size=(7, 4))
case((5, 9, 10), "global_avg_pool", lambda x: x.mean((2, 3)))
case((5, 9, 10), "global_max_pool", lambda x: x.amax((2, 3)))

case((13, 7, 5), "batch_norm2d($)", nn.BatchNorm2d(13), True)
case((6, 7, 5), "batch_norm2d(eps=0.01, momentum=none, $)", nn.BatchNorm2d(6, eps=0.01, momentum=None), True)
case((6, 7, 5), "batch_norm2d(affine=false, track_running_stats=false)",
     nn.BatchNorm2d(6, affine=False, track_running_stats=False), True)
case((9,), "batch_norm1d($)", nn.BatchNorm1d(9), True)
case((9, 11), "batch_norm1d(momentum=0.3, $)", nn.BatchNorm1d(9, momentum=0.3), True)
case((5, 7), "layer_norm($)", nn.LayerNorm(7))
case((5, 7, 6), "layer_norm(2, eps=0.001, bias=false, $)", nn.LayerNorm((7, 6), eps=0.001, bias=False))
case((5, 7), "layer_norm(elementwise_affine=false)", nn.LayerNorm(7, elementwise_affine=False))
case((15, 7, 6), "group_norm(5, $)", nn.GroupNorm(5, 15))
case((12, 9), "group_norm(4, affine=false)", nn.GroupNorm(4, 12, affine=False))
case((6, 7, 5), "instance_norm(affine=true, $)", nn.InstanceNorm2d(6, affine=True))
case((6, 7), "instance_norm", nn.InstanceNorm1d(6))

called((3, 5, 4), "interpolate", F.interpolate, scale_factor=2)
called((3, 5, 4), "interpolate", F.interpolate, size=(7, 9))
called((3, 5, 4), "interpolate", F.interpolate, scale_factor=(1.7, 0.6))
called((3, 11), "interpolate", F.interpolate, size=5)
called((3, 5, 4), "upsample", F.interpolate, scale_factor=2, mode="bilinear")
called((3, 5, 4), "upsample", F.interpolate, size=(9, 3), mode="bilinear")
called((3, 5, 4), "upsample", F.interpolate, scale_factor=(2.3, 1.5), mode="bilinear")
called((3, 5, 4), "upsample", F.interpolate, size=(9, 11), mode="bilinear", align_corners=True)
called((3, 7), "interpolate", F.interpolate, scale_factor=2, mode="linear")
called((3, 5, 4), "interpolate", F.interpolate, size=(1, 4), mode="bilinear", align_corners=True)

# Larger, odd and round; what came later.
conv((13, 45, 45), 5, 3, padding=1)
conv((5, 61, 57), 10, 3, stride=2, padding=1, groups=5)
conv((13, 45, 45), 13, 3, padding=1, groups=13)
conv((3, 61, 57), 4, (1, 7), padding=(0, 3))
conv((5, 45, 45), 5, 3, padding=2, dilation=2, groups=5)
conv((5, 45, 45), 5, 7, stride=4, padding=3)
conv((3, 48, 48), 32, 3, padding=1)
conv((32, 16, 16), 32, 3, padding=1)
conv((32, 16, 16), 64, 1)
conv((16, 32, 32), 16, 3, stride=2, padding=1, groups=16)
conv((8, 17, 19), 6, (2, 4), padding="same")
conv((6, 21, 13), 12, 4, padding="same", dilation=(3, 2), groups=3)
conv((4, 9, 8), 6, 3, padding=(2, 1), padding_mode="reflect")
conv((4, 9, 8), 6, 3, padding="same", dilation=2, padding_mode="circular")
conv((4, 9, 8), 6, (4, 3), padding="same", padding_mode="replicate")
conv((4, 19), 6, 5, dims=1, padding=3, stride=2, padding_mode="replicate")
conv((13, 61), 10, 7, dims=1, padding=3)
conv((16, 64), 32, 3, dims=1, padding=4, dilation=4)
transposed((13, 11, 13), 4, 4, stride=2, padding=1)
transposed((10, 11, 9), 15, 3, stride=3, padding=2, dilation=2, output_padding=2, groups=5)
transposed((16, 8, 8), 16, 2, stride=2)
transposed((13, 31), 5, 5, dims=1, stride=3, padding=2, output_padding=1)
called((13, 45, 45), "max_pool2d", F.max_pool2d, kernel_size=3, stride=2, padding=1)
called((3, 61, 57), "max_pool2d", F.max_pool2d, kernel_size=2, ceil_mode=True)
called((16, 32, 32), "max_pool2d", F.max_pool2d, kernel_size=2)
called((3, 31), "max_pool1d", F.max_pool1d, kernel_size=4, stride=3, padding=2, dilation=2, ceil_mode=True)
called((13, 45, 45), "avg_pool2d", F.avg_pool2d, kernel_size=(3, 5), stride=(2, 3), padding=(1, 2), count_include_pad=False)
called((3, 61, 57), "avg_pool2d", F.avg_pool2d, kernel_size=4, stride=3, padding=2, ceil_mode=True)
called((5, 9, 10), "avg_pool2d", F.avg_pool2d, kernel_size=3, stride=2, padding=1, ceil_mode=True, divisor_override=-2)
called((13, 45, 45), "adaptive_avg_pool2d", F.adaptive_avg_pool2d, output_size=(7, 6))
called((5, 11), "adaptive_max_pool1d", F.adaptive_max_pool1d, output_size=4)
called((5, 12), "adaptive_max_pool1d", F.adaptive_max_pool1d, output_size=4)
called((5, 11, 7), "adaptive_max_pool2d", F.adaptive_max_pool2d, output_size=(4, 5))
called((5, 8, 6), "adaptive_max_pool2d", F.adaptive_max_pool2d, output_size=2)
case((6, 7, 5), "conv2d(8, 3, padding=1, $) |> relu |> max_pool2d(3, stride=2, padding=1)",
     nn.Sequential(OrderedDict(weights=nn.Conv2d(6, 8, 3, padding=1), relu=nn.ReLU(), pool=nn.MaxPool2d(3, 2, 1))))
case((13, 45, 45), "batch_norm2d(momentum=0.2, $)", nn.BatchNorm2d(13, momentum=0.2), True)
case((6, 7, 5), "instance_norm(affine=true, track_running_stats=true, $)",
     nn.InstanceNorm2d(6, affine=True, track_running_stats=True), True)
case((6, 17), "instance_norm(0.01, 0.3, track_running_stats=true, $)",
     nn.InstanceNorm1d(6, eps=0.01, momentum=0.3, track_running_stats=True), True)
case((13, 45, 45), "group_norm(13, $)", nn.GroupNorm(13, 13))
case((3, 61, 57), "layer_norm(3, $)", nn.LayerNorm((3, 61, 57)))
called((3, 15, 13), "interpolate", F.interpolate, size=(45, 57))
called((3, 15, 13), "interpolate", F.interpolate, scale_factor=3)
called((3, 5, 4), "interpolate", F.interpolate, size=(7, 9), mode="nearest-exact")
called((3, 5, 4), "interpolate", F.interpolate, scale_factor=(1.7, 0.6), mode="nearest-exact")
called((3, 9, 8), "interpolate", F.interpolate, size=(4, 3), mode="area")
called((3, 15, 13), "interpolate", F.interpolate, scale_factor=(2.6, 3.1), mode="bilinear")
called((3, 15, 13), "interpolate", F.interpolate, size=(61, 57), mode="bilinear", align_corners=True)
called((3, 15), "interpolate", F.interpolate, size=4, mode="linear", align_corners=True)
case((3, 12, 10), "conv2d(16, 1, $) |> relu |> max_pool2d(2)",
     nn.Sequential(OrderedDict(weights=nn.Conv2d(3, 16, 1), relu=nn.ReLU(), pool=nn.MaxPool2d(2))))
case((2, 9), "conv1d(2, 1, $) |> max_pool1d(3)",
     nn.Sequential(OrderedDict(weights=nn.Conv1d(2, 2, 1), pool=nn.MaxPool1d(3))), True)
case((5, 12, 34), "conv2d(3, 3, padding=1, $) |> max_pool2d(2)",
     nn.Sequential(OrderedDict(weights=nn.Conv2d(5, 3, 3, padding=1), pool=nn.MaxPool2d(2))), True)

# A window over axes of one element after a reshape: what leaves them is 0, though nothing moves.
case((21, 3), "conv1d(42, 3, stride=3, padding=1, groups=21, $) |> reshape([N, 42, 1, 1]) |> conv2d(19, 5, padding=2, $.second)",
     nn.Sequential(OrderedDict(weights=nn.Conv1d(21, 42, 3, stride=3, padding=1, groups=21),
                               apart=nn.Unflatten(2, (1, 1)), second=nn.Conv2d(42, 19, 5, padding=2))), True)

# In ceil mode the last window may reach further than the axis and its padding.
called((3, 1, 5), "avg_pool2d", F.avg_pool2d, kernel_size=2, ceil_mode=True)
called((3, 1, 5), "max_pool2d", F.max_pool2d, kernel_size=2, ceil_mode=True)

# A window whose steps are as long as each element is repeated: its edge is one of the elements before.
case((2, 17), "interpolate(scale_factor=3) |> conv1d(4, 3, stride=3, padding=3, dilation=3, $)",
     nn.Sequential(OrderedDict(up=nn.Upsample(scale_factor=3),
                               weights=nn.Conv1d(2, 4, 3, stride=3, padding=3, dilation=3))), True)


HEADER = """# Written by tests/oracle/convolutions.py, which says what is tested; run by tests/tools/convolutions.c.
dim N <= 3

optimizer put_gradient(p: T[...S], g: T[...S]) {
    return g
}

layer scaled(x: T[N, ...S]) -> T[N, ...S] {
    param scale: T[...S] = ones()
    return x * scale
}
"""


def path(key):
    """A name= in a chain stands for its one layer with parameters, `weights` in a Sequential."""
    return key.removeprefix("weights.")


def run(number, shape, dl, layer, both, text, writer):
    name = f"c{number}"
    image = filled(name + ".image", (BATCH,) + shape)
    scale = filled(name + ".scale", shape).requires_grad_()
    state = {}
    if isinstance(layer, nn.Module):
        for key, value in layer.state_dict().items():
            state[key] = filled(f"{name}.{path(key)}", value.shape) if value.dtype == torch.float32 else torch.tensor(0)
        layer.load_state_dict(state)
        layer.eval()
    with torch.no_grad():
        y = layer(image * scale)
    result = ", ".join(["N"] + [str(d) for d in y.shape[1:]])
    dims = ", ".join(map(str, shape))
    call = re.sub(r"\$((\.\w+)?)", rf'name="{name}\1"', dl)
    body = f'    y = image |> scaled(name="{name}") |> {call}\n'
    if both:
        text.append(f"model m{number}(image: f32[N, {dims}]) -> (y: f32[{result}]) {{\n{body}    return y\n}}\n")
        writer.tensor(f"m{number}.y", y)
    text.append(f"train {name}(image: f32[N, {dims}], weights: f32[{result}]) -> (y: f32[{result}]) {{\n{body}"
                f"    loss = sum(y * weights)\n    minimize loss with put_gradient()\n    return y\n}}\n")
    if isinstance(layer, nn.Module):
        layer.train()
    y = layer(image * scale)
    (y * filled(name + ".weights", y.shape)).sum().backward()
    writer.tensor(name + ".y", y)
    writer.tensor(name + ".scale", scale.grad)
    if isinstance(layer, nn.Module):
        for key, value in layer.named_parameters():
            writer.tensor(f"{name}.{path(key)}", value.grad)
        for key, value in layer.named_buffers():
            writer.tensor(f"{name}.{path(key)}", value.float().reshape(-1))


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    out = Sample("convolutions")
    lines = [HEADER]
    for k, (shape, dl, layer, both) in enumerate(CASES):
        run(k + 1, shape, dl, layer, both, lines, out)
    with open(os.path.join(HERE, "..", "nets", "convolutions.dl"), "w") as file:
        file.write("\n".join(lines))
