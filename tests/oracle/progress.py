#!/usr/bin/env python3
"""Writes tests/golden/data/progress.txt: the bars of tqdm (tqdm.format_meter), one a line.

Fields separated by tabs: what, done, total (0: not known), elapsed, columns (0: no bar), unit, postfix, 1 for blocks, the text.
"""
import pathlib

from tqdm import tqdm

OUT = pathlib.Path(__file__).parent.parent / "golden" / "data" / "progress.txt"
postfixes = ["", "loss=0.5312, acc=80.9%"]
rows = []


def row(what, done, total, elapsed, columns, unit, postfix, blocks):
    text = tqdm.format_meter(done, total or None, elapsed, ncols=columns, prefix=what, ascii=not blocks, unit=unit, postfix=postfix)
    rows.append("\t".join(map(str, [what, done, total, elapsed, columns, unit, postfix, int(blocks), text])))


for blocks in [False, True]:
    for columns in [0, 1, 7, 20, 48, 60, 79, 80, 120, 250]:
        for done in [0, 1, 27008, 59999, 60000]:
            row("Epoch 1", done, 60000, 12.5, columns, "img", postfixes[done % 2], blocks)
    for done in range(0, 141, 7):
        row("", done, 140, 3.25, 70, "it", "", blocks)
for elapsed in [0, 0.004, 1, 59.99, 60, 3599.5, 3600, 100000, 1e7]:
    for total in [0, 10, 123456789012]:
        row("run", 7, total, elapsed, 100, "it", postfixes[1], False)
row("run", 0, 0, 0, 100, "it", "", False)
row("run", 11, 10, 5, 100, "it", "", False)  # more than the total
row("wide", 123456789012345, 999999999999999, 86400 * 30, 100, "B", "loss=inf", True)
row("Prüfung", 3, 4, 2.0, 60, "it", "größe=1", True)
OUT.write_text("\n".join(rows) + "\n")
