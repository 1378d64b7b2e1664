# step.py PROGRAM: a training step of examples/mynet (batch 64, dropout, Adam) by the C that dlc made, beside PyTorch.
# PROGRAM is step.c with that C. Both are processes that make their steps in turns when they are asked; medians of
# rounds of wall time and of CPU time, with one and two threads, and how large each process became.
#     step.py worker         the side of PyTorch: a number of steps per line of the standard input, as step.c
import os
import resource
import statistics
import subprocess
import sys
import time

STEPS, ROUNDS = 2, 11


def worker():
    import torch

    from conv import Mynet

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(1)
    net = Mynet(0.5)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, weight_decay=1e-4)
    image, label = torch.rand(64, 3, 48, 48), torch.randint(0, 10, (64,))
    for line in sys.stdin:
        steps, start, cpu = int(line), time.perf_counter(), time.process_time()
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            loss = torch.nn.functional.cross_entropy(net(image), label)
            loss.backward()
            optimizer.step()
            loss.item()
        seconds, cpu = (time.perf_counter() - start) / steps, (time.process_time() - cpu) / steps
        print(seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)


def ask(process, steps):
    process.stdin.write(f"{steps}\n")
    process.stdin.flush()
    return [float(word) for word in process.stdout.readline().split()]


def compare(program, threads):
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), OMP_WAIT_POLICY="passive")
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    sides = [subprocess.Popen(c, **pipes) for c in ([program], [sys.executable, __file__, "worker"])]
    for side in sides:
        ask(side, 2)
    rounds = [[ask(side, STEPS) for side in sides] for _ in range(ROUNDS)]
    (wall, cpu, size), (wall_torch, cpu_torch, size_torch) = [
        [statistics.median(round[side][k] for round in rounds) for k in range(3)] for side in (0, 1)
    ]
    for side in sides:
        side.stdin.close()
        side.wait()
    print(
        f"  {threads} thread{'s' * (threads > 1)}: dlc {1e3 * wall:6.1f} ms ({1e3 * cpu:6.1f} CPU)   PyTorch {1e3 * wall_torch:6.1f} ms"
        f" ({1e3 * cpu_torch:6.1f} CPU)   dlc / PyTorch {wall / wall_torch:.2f} ({cpu / cpu_torch:.2f} CPU)"
        f"   process {size / 1024:.0f} and {size_torch / 1024:.0f} MiB"
    )


if sys.argv[1] == "worker":
    worker()
else:
    for threads in (1, 2):
        compare(sys.argv[1], threads)
