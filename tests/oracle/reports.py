#!/usr/bin/env python3
"""Writes tests/golden/data/reports.txt: confusion matrices and what scikit-learn prints for them.

Blocks of: "matrix CLASSES DIGITS", one line of names, CLASSES lines of counts, the report's number of lines and the report.
Supports of 1000 make macro averages that are exact ties for two digits: the order of the sums shows.
"""
import pathlib
import warnings

import numpy as np
from sklearn.metrics import classification_report

OUT = pathlib.Path(__file__).parent.parent / "golden" / "data" / "reports.txt"
warnings.filterwarnings("ignore")


def block(matrix, names, digits):
    classes = len(names)
    truth = np.repeat(np.arange(classes), matrix.sum(axis=1))
    predicted = np.concatenate([np.repeat(np.arange(classes), row) for row in matrix])
    report = classification_report(truth, predicted, labels=range(classes), target_names=names, digits=digits, zero_division=0)
    lines = report.split("\n")[:-1]
    rows = "\n".join(" ".join(map(str, row)) for row in matrix)
    return f"matrix {classes} {digits}\n{' '.join(names)}\n{rows}\nreport {len(lines)}\n" + "\n".join(lines) + "\n"


def draw(rng, classes, supports, skill):
    rows = []
    for k, support in enumerate(supports):
        p = np.full(classes, (1 - skill) / classes)
        p[k] += skill
        rows.append(rng.multinomial(support, p))
    return np.array(rows)


rng = np.random.default_rng(1)
out = [block(np.array([[3, 1], [0, 2]]), ["no", "yes"], 2),
       block(np.array([[0, 5, 0], [0, 7, 0], [0, 0, 0]]), ["never_predicted", "always", "absent"], 4),
       block(np.array([[4]]), ["a_name_that_is_longer_than_weighted_avg"], 2)]
for i in range(24):
    classes = [10, 10, 3, 7, 8, 9, 17, 20][i % 8]
    supports = [1000] * classes if i % 2 == 0 else rng.integers(1, 400, classes)
    out.append(block(draw(rng, classes, supports, rng.uniform(0.3, 0.98)), [f"class_{k}" for k in range(classes)], 2 if i % 3 else 4))
# An exact tie: the mean recall is 0.885 before rounding, and summed one after the other would print as 0.88.
tie = np.zeros((10, 10), int)
for k in range(10):
    right = [941, 866, 823, 800, 938, 871, 826, 896, 987, 902][k]
    tie[k, k], tie[k, (k + 1) % 10] = right, 1000 - right
out.append(block(tie, [f"class_{k}" for k in range(10)], 2))
# More classes than numpy sums in one piece.
out.append(block(draw(rng, 140, rng.integers(1, 9, 140), 0.9), [f"c{k}" for k in range(140)], 4))
OUT.write_text("".join(out))
