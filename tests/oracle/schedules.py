#!/usr/bin/env python3
"""Writes tests/golden/data/schedules.txt: learning rates of whole runs by torch.optim.lr_scheduler.

Each run is "NAME ARGUMENT... : COUNT" and a line of COUNT rates, those of the steps 0, 1, 2, ...; the arguments are those of
the function kit_lr_NAME in order, without the step.
"""
import pathlib
import warnings

import torch
from torch.optim import lr_scheduler as schedule

OUT = pathlib.Path(__file__).parent.parent / "golden" / "data" / "schedules.txt"
warnings.filterwarnings("ignore")


def run(name, arguments, lr, steps, make):
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = make(optimiser)
    rates = []
    for k in range(steps):
        rates.append(float(optimiser.param_groups[0]["lr"]))
        optimiser.step()
        if k + 1 < steps:
            scheduler.step()
    return f"{name} {' '.join(map(repr, arguments))} : {steps}\n{' '.join(map(repr, rates))}\n"


out = []
for lr, size, gamma in [(0.1, 1, 0.5), (1e-3, 7, 0.1), (0.05, 30, 0.97)]:
    out.append(run("step", [lr, size, gamma], lr, 100, lambda o: schedule.StepLR(o, size, gamma)))
for lr, milestones, gamma in [(0.1, [3, 10, 11, 60], 0.1), (1e-3, [5], 0.5)]:
    out.append(run("multi_step", [lr, gamma, len(milestones), *milestones], lr, 80, lambda o: schedule.MultiStepLR(o, milestones, gamma)))
for lr, start, end, total in [(1e-3, 1 / 3, 1.0, 5), (0.1, 0.01, 1.0, 40), (0.1, 1.0, 0.0, 25)]:
    out.append(run("linear", [lr, start, end, total], lr, 60, lambda o: schedule.LinearLR(o, start, end, total)))
for lr, t_max, eta_min in [(0.1, 50, 0.0), (1e-3, 37, 1e-5), (0.1, 1, 0.0)]:
    out.append(run("cosine", [lr, t_max, eta_min], lr, 120, lambda o: schedule.CosineAnnealingLR(o, t_max, eta_min)))
for lr, total, part, div, final, anneal in [(0.1, 100, 0.3, 25.0, 1e4, "cos"), (0.01, 77, 0.3, 25.0, 1e4, "linear"),
                                            (1.0, 50, 0.0, 10.0, 100.0, "cos"), (1.0, 50, 1.0, 10.0, 100.0, "linear"),
                                            (0.1, 33, 0.45, 4.0, 1.0, "cos")]:
    out.append(run("one_cycle", [lr, total, part, div, final, int(anneal == "linear")], lr, total,
                   lambda o: schedule.OneCycleLR(o, lr, total, pct_start=part, anneal_strategy=anneal, cycle_momentum=False,
                                                 div_factor=div, final_div_factor=final)))
OUT.write_text("".join(out))
