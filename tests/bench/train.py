# train.py: the same training as train.c with PyTorch: images per second, median of rounds. Argument: threads.
import statistics
import sys
import time

import torch

torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(1)
BATCH, BATCHES, ROUNDS = 64, 100, 9
net = torch.nn.Sequential(torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
images, labels = torch.rand(BATCHES, BATCH, 784), torch.randint(0, 10, (BATCHES, BATCH))
seconds = []
for _ in range(ROUNDS):
    start = time.perf_counter()
    for image, label in zip(images, labels):
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(net(image), label)
        loss.backward()
        optimizer.step()
    seconds.append(time.perf_counter() - start)
print(f"{BATCH * BATCHES / statistics.median(seconds):.0f}")
