#!/usr/bin/env python3
"""The runtime's .safetensors files against the Python library, in both directions.

    safetensors_check.py golden          writes tests/golden/safetensors/*.safetensors and headers.txt, for test_runtime.c
    safetensors_check.py check FILE...   loads files that the runtime saved (DLC_KEEP=DIR makes test_runtime.c keep its own)

Every tensor holds element i = i / 4 - 1 (integers: i), so that both sides know what to expect.
"""
import pathlib
import random
import struct
import sys

import torch
from safetensors import deserialize, safe_open
from safetensors.torch import load_file, save_file, save_model

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
    save_model(Tied(), GOLDEN / "tied.safetensors")
    headers()


class Tied(torch.nn.Module):
    """Two names of one tensor, as GPT-2 has them."""

    def __init__(self):
        super().__init__()
        self.transformer = torch.nn.ModuleDict({"wte": torch.nn.Embedding(3, 4)})
        self.lm_head = torch.nn.Linear(4, 3, bias=False)
        self.lm_head.weight = self.transformer["wte"].weight
        with torch.no_grad():
            self.lm_head.weight.copy_(ramp((3, 4)))


def tensor(dtype, shape, offsets, more=""):
    return f'{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}{more}}}'


def header_rows():
    """(header, bytes of data): every rule of the format once or twice, then damaged headers."""
    f32, u8 = tensor("F32", "[1]", "[0,4]"), tensor("U8", "[2]", "[0,2]")
    for text in ["", "{}", "{}   ", " {}", "\n\t\r {}\n", "{} x", "{}{}", "[]", "null", "{", "{,}", '{"x"}', '{"x":null}',
                 "\ufeff{}", "{}\0\0"]:
        yield text, 0
    bits = {"BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E5M2FNUZ": 8,
            "F8_E4M3FNUZ": 8, "F8_E8M0": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
            "F64": 64, "I64": 64, "U64": 64, "C64": 64, "C128": 128, "F31": 31, "f32": 32, "I4": 4}
    for dtype, width in bits.items():
        for count in [8, 1, 0]:
            yield '{"x":' + tensor(dtype, f"[{count}]", f"[0,{count * width // 8}]") + "}", count * width // 8
    for shape in ["[]", "[0]", "[1,1,1,1,1,1,1,1,1,1]", "[0,4294967296,4294967296]", "[4294967296,4294967296]",
                  "[4294967296,4294967296,0]", "[4611686018427387904]", "[4611686018427387905]", "[1.0]", "[-1]", "[-0]",
                  "[01]", "[1e0]", "[1,]", "[1 1]", "[ 1 , 1 ]", "[18446744073709551615,0]", "[18446744073709551616]",
                  "null", "{}", "[null]", '["1"]']:
        for size in [4, 0]:
            yield '{"x":' + tensor("F32", shape, f"[0,{size}]") + "}", size
    for offsets in ["[0]", "[]", "[0,4,8]", "[4,0]", "[4,4]", "[0,3]", "[0,5]", "[1,5]", "null", "[0,4.0]", "[ 0 ,\n4 ]",
                    "[18446744073709551612,18446744073709551616]", "[18446744073709551612,18446744073709551615]"]:
        yield '{"x":' + tensor("F32", "[1]", offsets) + "}", 4
        yield '{"x":' + tensor("F32", "[1]", offsets) + "}", 5
    deep = {depth: "[" * depth + "]" * depth for depth in [1, 2, 125, 126, 127, 128, 1000]}
    for value in ["1", "-1.5e+3", "-", "01", "1.", ".5", "1e", "-0", "1E5", "--1", "+1", "true", "false", "null", "tru",
                  '"a"', '"', '"\\u00e9\\ud83d\\ude00"', '"\\ud800"', '"\\q"', '"a\nb"', "[]", "[ ]", "{}", "[1,]", "[,1]",
                  "[1 2]", "{1:2}", '{"a":1,}', '{"a":1,"a":[{},[{"b":"c"}]]}', '{"a" :[ 1 , "b"] }', "[}", "{]",
                  "99999999999999999999", "NaN", *deep.values()]:
        yield '{"x":' + tensor("F32", "[1]", "[0,4]", f',"foo":{value}') + "}", 4
        yield '{"x":{"foo":' + value + "," + f32[1:] + "}", 4
    for entry in [f32 + ',"x":' + f32, u8 + ',"x":' + tensor("U8", "[2]", "[2,4]"), u8 + ',"y":' + tensor("U8", "[2]", "[2,4]"),
                  u8 + ',"y":' + tensor("U8", "[2]", "[1,3]"), u8 + ',"y":' + u8,
                  u8 + ',"y":' + tensor("F32", "[0,3]", "[2,2]") + ',"z":' + tensor("U8", "[2]", "[2,4]"),
                  u8 + ',"y":' + tensor("F32", "[0,3]", "[1,1]") + ',"z":' + tensor("U8", "[2]", "[2,4]"),
                  tensor("U8", "[1]", "[3,4]") + ',"y":' + tensor("I16", "[1]", "[1,3]") + ',"z":' + tensor("U8", "[1]", "[0,1]"),
                  '["F32",[1],[0,4]]', '["F32",[1],[0,4],1]', '["F32",[1]]', "{}", '{"dtype":"F32"}',
                  tensor("F32", "[1]", "[0,4]", ',"dtype":"F32"'), '{"shape":[1],"data_offsets":[0,4],"dtype":"F32"}',
                  '{ "dtype" : "\\u0046\\u0033\\u0032" , "shape" : [1] , "data_offsets" : [0,4] }']:
        yield '{"x":' + entry + "}", 4
    for metadata in ["{}", "null", '{"a":"b"}', '{"a":1}', '{"a":null}', '{"a":"b","a":"c"}', '"a"', "[]", '{"a":"b",}',
                     '{"y":"x"}', '{"x":"y"}', '{},"__metadata__":{}', "true"]:
        yield '{"__metadata__":' + metadata + ',"x":' + f32 + "}", 4
        yield '{"x":' + f32 + ',"__metadata__":' + metadata + "}", 4
    for name in [b"", b"\\u0000", b"\x7f", b"\xff", b"\xc3\xa9", b"\xc0\xaf", b"\xe0\x9f\xbf", b"\xe0\xa0\x80", b"\xed\x9f\xbf",
                 b"\xed\xa0\x80", b"\xef\xbf\xbf", b"\xf0\x8f\xbf\xbf", b"\xf0\x90\x80\x80", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80",
                 b"\xf5\x80\x80\x80", b"\xc3", b"\x80", b"\\ud83d", b"\\udc00", b"\\u12", b"\\u12g4", b"\\ud83d\\u0041", b"\\x"]:
        yield b'{"' + name + b'":' + f32.encode() + b"}", 4
    draw = random.Random(3)
    whole = ('{"__metadata__":{"a":"\\u00e9"},"x":' + tensor("F32", "[1]", "[0,4]", ',"foo":[1,{"b":null}]') + ',"y":' +
             tensor("U8", "[2]", "[4,6]") + "} ").encode()
    for _ in range(600):
        text = bytearray(whole)
        for _ in range(draw.choice([1, 1, 2])):
            at = draw.randrange(len(text))
            kind = draw.randrange(3)
            letter = draw.choice(b'"\\{}[]:,.-+0149eEntfx \n\x00\xc3\xa9')
            text[at : at + (kind != 1)] = bytes([letter] if kind else [])
        yield bytes(text), 6


def headers():
    """Each row: whether the library takes the header, how much data follows, the header with escapes."""
    with open(GOLDEN / "headers.txt", "w", encoding="ascii") as out:
        for text, size in header_rows():
            text = text if isinstance(text, bytes) else text.encode()
            try:
                deserialize(struct.pack("<Q", len(text)) + text + bytes(size))
                verdict = "takes"
            except Exception:
                verdict = "refuses"
            escaped = "".join(chr(c) if 32 <= c < 127 and c != ord("%") else f"%{c:02x}" for c in text)
            print(verdict, size, escaped, file=out)


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
