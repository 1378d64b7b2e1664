"""transforms.py: writes tests/golden/data/transforms.txt, what Pillow and torchvision make of small pictures.

    python tests/oracle/transforms.py > tests/golden/data/transforms.txt

Cases of one transform each ("resize", "gray", "rotate", "flip", "brightness", "contrast", "normalize") and of whole lists
("pipeline"), whose random draws are made here by a Philox of this file. A byte is two hexadecimal digits, a float eight.
"""
import math
import struct
import sys

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import functional as F
from torchvision.transforms import InterpolationMode as Mode

random = np.random.default_rng(20)


def picture(channels, rows, columns):
    """Smooth ramps and noise, so that both rounding and edges matter: (channels, rows, columns)."""
    y, x = np.mgrid[0:rows, 0:columns]
    planes = []
    for c in range(channels):
        ramp = (x * (37 + 11 * c) / columns + y * (180 - 40 * c) / rows)
        noise = random.integers(0, 256, (rows, columns))
        planes.append(np.where(random.random((rows, columns)) < 0.5, ramp, noise))
    return np.clip(np.stack(planes), 0, 255).astype(np.uint8)


def to_pil(a):
    return Image.fromarray(a[0], "L") if len(a) == 1 else Image.fromarray(np.ascontiguousarray(a.transpose(1, 2, 0)), "RGB")


def from_pil(image):
    a = np.asarray(image)
    return a[None] if a.ndim == 2 else np.ascontiguousarray(a.transpose(2, 0, 1))


def show(a):
    if a.dtype == np.uint8:
        return a.tobytes().hex()
    return "".join(struct.pack(">f", v).hex() for v in a.astype(np.float32).ravel())


def case(kind, numbers, before, after):
    print(kind, *numbers, *before.shape, *after.shape)
    print(show(before))
    print(show(after))


def resize():
    sizes = [(28, 28, 48, 48), (48, 48, 28, 28), (28, 28, 13, 31), (7, 5, 20, 3), (1, 1, 4, 4), (33, 17, 8, 8), (5, 9, 5, 4),
             (9, 9, 9, 9), (64, 3, 1, 1), (3, 50, 50, 3), (2, 2, 63, 63)]
    for rows, columns, to_rows, to_columns in sizes:
        for channels in (1, 3) if rows in (7, 33) else (1,):
            a = picture(channels, rows, columns)
            case("resize", (), a, from_pil(F.resize(to_pil(a), [to_rows, to_columns], Mode.BILINEAR, antialias=True)))


def rotate():
    for rows, columns in ((28, 28), (15, 15), (9, 14), (1, 6)):
        for mode in (Mode.NEAREST, Mode.BILINEAR):
            for degrees in (0, 10, -10, 3.7, -0.25, 45, 90, 180, -90, 271.5):
                a = picture(1, rows, columns)
                case("rotate", (degrees, int(mode == Mode.BILINEAR)), a, from_pil(F.rotate(to_pil(a), degrees, mode, fill=0)))


def colours():
    for channels, side in ((1, 9), (3, 8), (1, 16), (3, 3)):
        for factor in (0, 0.3, 0.8125, 1, 1.2, 1.75, 4):
            a = picture(channels, side, side)
            case("brightness", (factor,), a, from_pil(F.adjust_brightness(to_pil(a), factor)))
            case("contrast", (factor,), a, from_pil(F.adjust_contrast(to_pil(a), factor)))
    a = picture(3, 16, 16)
    case("gray", (), a, from_pil(F.to_grayscale(to_pil(a), 1)))
    for columns in (4, 7):
        a = picture(3, 5, columns)
        case("flip", (), a, from_pil(F.hflip(to_pil(a))))


def normalize():
    for mean, std in (((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)), ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))):
        a = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
        a = np.concatenate([a, a[:, ::-1], a.transpose(0, 2, 1)])
        case("normalize", (*mean, *std), a, F.normalize(F.to_tensor(to_pil(a)), mean, std).numpy())


# ---- whole lists ------------------------------------------------------------------------------------------------------


def philox(counter, key):
    """Philox4x32-10: Salmon, Moraes, Dror, Shaw, SC 2011."""
    c, (k0, k1) = list(counter), key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [p1 >> 32 ^ c[1] ^ k0, p1 & 0xFFFFFFFF, p0 >> 32 ^ c[3] ^ k1, p0 & 0xFFFFFFFF]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c


def draw(seed, epoch, index, step):
    """Three numbers in [0, 1) of 24 bits each, and a bit, for one image and one place in the list."""
    words = philox((index, 0x6B697400 + step, epoch & 0xFFFFFFFF, epoch >> 32), (seed & 0xFFFFFFFF, seed >> 32))
    return [(w >> 8) / 2**24 for w in words]


def pipeline(name, image, seed, epoch, index):
    """The lists of tests/unit/test_kit_transforms.c by their names."""
    f32 = np.float32
    lists = {
        "augmented": [("resize", 15), ("gray", 3), ("rotate", 10, Mode.NEAREST), ("jitter", 0.2, 0.2), ("normalize", (0.5,) * 3, (0.5,) * 3)],
        "other": [("jitter", 0.75, 1.5), ("flip", 0.5), ("rotate", 30, Mode.BILINEAR), ("gray", 1), ("resize", 11), ("normalize", (0.2860,), (0.3530,))],
        "bare": [("rotate", 180, Mode.BILINEAR)],
    }
    lists["mynet"] = [("resize", 48)] + lists["augmented"][1:]
    for step, (kind, *of) in enumerate(lists[name]):
        u = draw(seed, epoch, index, step) if epoch >= 0 else None
        if kind == "resize":
            image = F.resize(image, [of[0], of[0]], Mode.BILINEAR, antialias=True)
        elif kind == "gray":
            image = F.to_grayscale(image, of[0])
        elif kind == "rotate" and u:
            image = F.rotate(image, -of[0] + 2 * of[0] * u[0], of[1], fill=0)
        elif kind == "flip" and u:
            image = F.hflip(image) if u[0] < of[0] else image
        elif kind == "jitter" and u:
            low, high = [max(0.0, 1 - float(f32(b))) for b in of], [1 + float(f32(b)) for b in of]
            factor = [float(f32(low[k] + (high[k] - low[k]) * u[1 + k])) for k in (0, 1)]
            adjust = [lambda i: F.adjust_brightness(i, factor[0]), lambda i: F.adjust_contrast(i, factor[1])]
            for change in adjust if u[0] < 0.5 else reversed(adjust):
                image = change(image)
        elif kind == "normalize":
            return F.normalize(F.to_tensor(image), *of).numpy()
    return F.to_tensor(image).numpy()


def pipelines():
    for number, (name, channels, rows, columns, seed, epoch, index) in enumerate((
        ("mynet", 1, 28, 28, 1, 0, 0), ("augmented", 1, 28, 28, 1, 0, 59999), ("augmented", 3, 20, 31, 77, 4, 12), ("augmented", 1, 28, 28, 1, -1, 3),
        ("other", 3, 16, 12, 2**40 + 5, 0, 7), ("other", 1, 9, 9, 5, 2**33 + 1, 8), ("other", 3, 16, 12, 5, 2, 9), ("other", 3, 16, 12, 5, -1, 9),
        ("bare", 1, 10, 13, 3, 1, 4), ("bare", 3, 10, 13, 3, 1, 5),
    )):
        a = picture(channels, rows, columns)
        case("pipeline", (name, seed, epoch, index), a, pipeline(name, to_pil(a), seed, epoch, index))


resize()
rotate()
colours()
normalize()
pipelines()
