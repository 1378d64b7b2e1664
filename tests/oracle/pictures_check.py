#!/usr/bin/env python3
"""Reads with Pillow and an XML parser what the kit writes: pixels of a PNG, a grid of pictures, a learning curve.

    tests/oracle/pictures_check.py BUILD [DIRECTORY]       BUILD has libdlckit.a; DIRECTORY keeps the files to look at
"""
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

import numpy as np
from PIL import Image

TOP = pathlib.Path(__file__).parent.parent.parent
PROGRAM = r"""
#include <math.h>
#include <string.h>
#include "kit/kit.h"
int main(void) {
    static uint8_t rgb[200 * 100 * 3], image[12][3 * 28 * 28];
    struct kit_tile tile[12];
    static char letters[96];
    for (int k = 0; k < 200 * 100 * 3; k++) rgb[k] = (uint8_t)(k * 37 + k / 601);
    int bad = kit_png_write(rgb, 200, 100, "pixels.png", NULL);
    for (int k = 0; k < 12; k++) {
        for (int e = 0; e < 3 * 784; e++) image[k][e] = (uint8_t)(e / 9 + k * 20);
        tile[k] = (struct kit_tile){image[k], "Ankle boot", k % 3 ? "Ankle boot" : "T-shirt/top", k % 3 != 0};
    }
    bad |= kit_grid_write(&(struct kit_grid){3, 28, 28, 4, 5}, tile, 12, "grid.png", NULL);
    for (int c = 0; c < 95; c++) letters[c] = (char)(' ' + c);
    struct kit_tile text[8];
    for (int k = 0; k < 8; k++) {
        static char part[8][13];
        memcpy(part[k], letters + 12 * k, k < 7 ? 12 : 11);
        text[k] = (struct kit_tile){image[k], part[k], part[k], true};
    }
    bad |= kit_grid_write(&(struct kit_grid){1, 2, 28, 1, 12}, text, 8, "letters.png", NULL);
    struct kit_history h = {0};
    for (int k = 1; k <= 15; k++)
        bad |= kit_history_set(&h, k, &(struct kit_epoch){0.2 + 0.8 / k, 0.95 - 0.3 / k, k == 7 ? NAN : 0.3 + 0.5 / k, 0.92 - 0.2 / k, 0}, NULL);
    bad |= kit_curve_write(&h, "a & b", "curve.svg", NULL);
    kit_history_free(&h);
    return bad;
}
"""

build = pathlib.Path(sys.argv[1]).resolve()
with tempfile.TemporaryDirectory() as temporary:
    work = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else temporary).resolve()
    (work / "main.c").write_text(PROGRAM)
    subprocess.run(["gcc", "-I", TOP / "runtime", "main.c", build / "libdlckit.a", "-o", "main", "-lz", "-lm"], cwd=work, check=True)
    subprocess.run(["./main"], cwd=work, check=True)
    k = np.arange(200 * 100 * 3)
    want = ((k * 37 + k // 601) & 255).astype(np.uint8).reshape(100, 200, 3)
    image = Image.open(work / "pixels.png")
    image.load()
    assert image.mode == "RGB" and np.array_equal(np.asarray(image), want), "pixels.png"
    grid = np.asarray(Image.open(work / "grid.png"))
    cell = (28 * 5 + 6, 28 * 5 + 6 + 3 + 2 * 9 * 2)
    for k in range(12):
        x, y = 6 + k % 4 * cell[0], 6 + k // 4 * cell[1]
        tile = ((np.arange(3 * 784) // 9 + k * 20) & 255).astype(np.uint8).reshape(3, 28, 28).transpose(1, 2, 0)
        assert np.array_equal(grid[y:y + 140, x:x + 140], tile.repeat(5, 0).repeat(5, 1)), f"picture {k}"
        colours = {tuple(c) for c in grid[y + 140 + 3 + 18:y + cell[1] - 6, x:x + 140].reshape(-1, 3)}
        assert colours == {(255, 255, 255), (0, 128, 0) if k % 3 else (208, 0, 0)}, f"caption {k}: {colours}"
    root = xml.parse(work / "curve.svg").getroot()
    assert root.find("{http://www.w3.org/2000/svg}title").text == "a & b"
print("pixels, grid and curve are what they should be")
