#!/usr/bin/env python3
"""The runtime's .safetensors files against the Python library, in both directions.

    safetensors_check.py golden          writes tests/golden/safetensors/*.safetensors, which test_runtime.c loads
    safetensors_check.py check FILE...   loads files that the runtime saved (DLC_KEEP=DIR makes test_runtime.c keep its own)

Every tensor holds element i = i / 4 - 1 (integers: i), so that both sides know what to expect.
"""
import pathlib
import sys

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "safetensors"
SHAPES = {"fc1.weight": (3, 4), "fc1.bias": (3,), "stats.mean": (3,)}


def ramp(shape, dtype=torch.float32):
    n = torch.Size(shape).numel()
    values = torch.arange(n, dtype=torch.float64)
    if dtype == torch.bool:
        return (values % 2 == 1).reshape(shape)
    return (values if not dtype.is_floating_point else values / 4 - 1).to(dtype).reshape(shape)


def weights(dtype=torch.float32):
    return {name: ramp(shape, dtype) for name, shape in SHAPES.items()}


def golden():
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for name, dtype in {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "f64": torch.float64}.items():
        save_file(weights(dtype), GOLDEN / f"{name}.safetensors", metadata={"format": "pt", "note": 'a "quoted" é\n'})
    full = weights()
    full["bn.num_batches_tracked"] = torch.tensor(7)
    full["optim.step.0.t"] = torch.tensor(3)
    full["optim.step.0.fc1.weight.momentum_buffer"] = ramp((3, 4))
    full["kinds.count"] = ramp((5,), torch.int32)
    full["kinds.pixel"] = ramp((3,), torch.uint8)
    full["kinds.mask"] = ramp((3,), torch.bool)
    save_file(full, GOLDEN / "full.safetensors")


def check(path):
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"format": "pt"}, file.metadata()
    for name, tensor in tensors.items():
        if tensor.ndim == 0:
            assert tensor.dtype == torch.int64 and tensor.item() == 3, (name, tensor)
            continue
        assert torch.equal(tensor, ramp(tensor.shape, tensor.dtype)), (name, tensor)
    for name, shape in SHAPES.items():
        assert tensors[name].shape == shape and tensors[name].dtype == torch.float32, name
    print(f"{path}: {len(tensors)} tensors, as the runtime wrote them")


if sys.argv[1:] == ["golden"]:
    golden()
elif sys.argv[1:2] == ["check"]:
    for path in sys.argv[2:]:
        check(path)
else:
    sys.exit(__doc__)
