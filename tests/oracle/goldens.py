"""Golden numbers from PyTorch for tests/tools/goldens.c: whole nets, forward and trained for some steps.

    python tests/oracle/goldens.py [NET...]       writes tests/golden/data/*.txt

PyTorch computes in double. Inputs, initial parameters and buffers come from hashes of their names (`filled`), which the C
test computes too, so only results are committed. Of a large tensor these are a sample and two sums of all elements with
random signs. A line is `tensor NAME COUNT STRIDE MAXABS`, then the values, or `sums A B` of the tensor before it.
"""
import os
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "..", "golden", "data")


# ---- numbers that both sides draw ------------------------------------------------------------------------------------

def drawn(seed, count):
    """count numbers in [0, 1), exact in float32: a hash of (seed, k)."""
    m = np.uint64(0xFFFFFFFF)
    k = np.arange(count, dtype=np.uint64)
    h = (k * np.uint64(2654435761) + np.uint64(seed) * np.uint64(40503) + np.uint64(12345)) & m
    h ^= h >> np.uint64(16)
    h = (h * np.uint64(2246822519)) & m
    h ^= h >> np.uint64(13)
    h = (h * np.uint64(3266489917)) & m
    h ^= h >> np.uint64(16)
    return (h >> np.uint64(8)).astype(np.float64) / 16777216.0


def seed_of(name):
    h = 0
    for c in name.encode():
        h = (h * 31 + c) & 0xFFFF
    return h


def uniform(seed, shape, low, high):
    values = low + (high - low) * drawn(seed, int(np.prod(shape)))
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def filled(name, shape, bias=0):
    """A parameter or buffer: weights keep the variance after a ReLU, factors and variances are about 1, biases about
    `bias`."""
    if len(shape) >= 2:
        bound = (6.0 / (np.prod(shape) // shape[0]))**0.5
        return uniform(seed_of(name), shape, -bound, bound)
    if name.endswith(("weight", "running_var")):
        return uniform(seed_of(name), shape, 0.5, 1.5)
    middle = bias if name.endswith("bias") else 0
    return uniform(seed_of(name), shape, middle - 0.1, middle + 0.1)


class Dropout(nn.Module):
    """Drops what the C drops: Philox4x32-10 of (seed, step, site, element). A net's sites are numbered through its file:
    first the parameters that are drawn at random, then its dropouts in order."""
    SEED = 5

    def __init__(self, p):
        super().__init__()
        self.p, self.site, self.step = p, None, 0

    def forward(self, x):
        if not self.training:
            return x
        c = [np.zeros(x.numel(), dtype=np.uint64) for _ in range(4)]
        c[0] += np.arange(x.numel(), dtype=np.uint64)
        c[1] += np.uint64(self.site)
        c[2] += np.uint64(self.step)
        low, key0, key1 = np.uint64(0xFFFFFFFF), self.SEED, 0
        for _ in range(10):
            p0, p1 = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
            c = [(p1 >> np.uint64(32)) ^ c[1] ^ np.uint64(key0), p1 & low, (p0 >> np.uint64(32)) ^ c[3] ^ np.uint64(key1), p0 & low]
            key0, key1 = (key0 + 0x9E3779B9) & 0xFFFFFFFF, (key1 + 0xBB67AE85) & 0xFFFFFFFF
        u = (c[0] >> np.uint64(8)).astype(np.float64) / 16777216.0
        self.step += 1
        return x * torch.from_numpy((u >= self.p).astype(np.float64) / (1 - self.p)).reshape(x.shape)


def number_sites(module):
    site = sum(len(list(m.parameters())) for m in module.modules() if isinstance(m, (nn.Linear, nn.modules.conv._ConvNd)))
    for m in module.modules():
        if isinstance(m, Dropout):
            m.site, site = site, site + 1


# ---- one net -----------------------------------------------------------------------------------------------------------

class Writer:
    """Writes every element of tensors up to `limit` elements, of larger ones about as many, and sums."""

    def __init__(self, name, limit=4096):
        self.file, self.limit = open(os.path.join(OUT, name + ".txt"), "w"), limit

    def tensor(self, name, value, beside=None):
        """beside: what says how large its elements are, if not they themselves."""
        flat = value.detach().reshape(-1).double().numpy()
        stride = 1 if flat.size <= self.limit else (flat.size // self.limit) | 1
        largest = (value if beside is None else beside).detach().abs().max().item()
        self.file.write(f"tensor {name} {flat.size} {stride} {largest:.8g}\n")
        for v in flat[::stride]:
            self.file.write(f"{v:.8g}\n")
        if stride > 1:
            sums = [(flat * np.where(drawn(seed, flat.size) < 0.5, -1, 1)).sum() for seed in (1, 2)]
            self.file.write(f"sums {sums[0]:.12g} {sums[1]:.12g}\n")


class Kinks(torch.overrides.TorchFunctionMode):
    """How near to a kink of its ReLUs and max pools a net comes, as a share of their largest input. Rounding must not
    decide on which side it is: the gradient jumps there, and PyTorch's own float32 and double part."""

    def __init__(self):
        super().__init__()
        self.margin = 1.0

    def near(self, distance, x):
        self.margin = min(self.margin, (distance.min() / x.abs().max()).item())

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        x = args[0].detach() if args and isinstance(args[0], torch.Tensor) else None
        name = getattr(func, "__name__", "")
        if name in ("relu", "leaky_relu") and x.any():
            self.near(x[x != 0].abs(), x)  # an exact 0 is one on both sides
        if name == "hardtanh":  # ReLU6
            self.near(torch.minimum(x.abs(), (x - 6).abs()), x)
        if "max_pool2d" in name:
            kernel, stride, padding = args[1], kwargs.get("stride") or args[1], kwargs.get("padding", 0)
            padded = F.pad(x, [padding] * 4, value=-1e9).flatten(0, 1)[:, None]
            two = F.unfold(padded, kernel, stride=stride).topk(2, dim=1).values
            differ = torch.where(two[:, 0] > 0, two[:, 0] - two[:, 1], torch.inf)  # two zeros after a ReLU stay zeros
            self.near(differ, x)
        return func(*args, **kwargs)


def golden(name, module, inputs, loss_of, batch, partial, steps, lr, classes=0, low=-1, limit=16, falls=False, draw=0, margin=3e-7, bias=0,
           models=1, adam=False, norm=None, **sgd):
    """inputs: shapes without the batch (a list for class numbers), or None for one class number, by name in order; the first `models` are the model's.
    norm: of clip_norm; draw: number of the draw of the inputs; margin: of Kinks; bias: of `filled`. Writes the outputs of the model at the start and at the end, the loss of each
    step, all parameters after the first and last, buffers and momentum after the last. Every fifth batch is a partial one."""
    module = module.double()
    number_sites(module)
    for path, value in module.state_dict().items():
        if value.is_floating_point():
            value.copy_(filled(path, tuple(value.shape), bias))
    w, losses, kinks = Writer(name, limit), [], Kinks()
    if adam:
        optimizer, kept = torch.optim.Adam(module.parameters(), lr=lr), ("exp_avg", "exp_avg_sq")
    else:
        optimizer, kept = torch.optim.SGD(module.parameters(), lr=lr, momentum=0.9, **sgd), ("momentum_buffer",)

    def arguments(step):
        n = partial if step % 5 == 4 else batch
        for key, shape in inputs.items():
            if shape is None or isinstance(shape, list):
                count = (n, *(shape or []))
                yield torch.from_numpy((drawn(seed_of(f"{key}.{step}.{draw}"), int(np.prod(count))) * classes).astype(np.int64).reshape(count))
            else:
                yield uniform(seed_of(f"{key}.{step}.{draw}"), (n, *shape), low, 1).double()

    def outputs(when):
        module.eval()
        with torch.no_grad():
            for out, value in named(module(*list(arguments(0))[:models])).items():
                w.tensor(f"{when}.{out}", value)

    def named(out):
        return out if isinstance(out, dict) else {"logits": out}

    outputs("first")
    module.train()
    for step in range(steps):
        args = list(arguments(step))
        optimizer.param_groups[0]["lr"] = float(np.float32(lr * (1 - step / steps) if falls else lr))
        optimizer.zero_grad()
        with kinks:
            out = named(module(*args[:models]))
        loss = loss_of(*out.values(), *args[models:])
        loss.backward()
        idle = [p for p, value in module.named_parameters() if value.grad.abs().max() < 1e-10]
        if norm:
            nn.utils.clip_grad_norm_(module.parameters(), norm)
        optimizer.step()
        losses.append(loss.item())
        if step == 0:
            for p, value in module.named_parameters():
                w.tensor("step1." + p, value)
    for p, value in module.named_parameters():
        # A bias that a later batch norm takes away has the gradient 0, and only rounding (and decay) in its momentum.
        w.tensor("last." + p, value)
        for key in kept:
            w.tensor(f"last.optim.step.0.{p}.{key}", optimizer.state[value][key], beside=value if p in idle else None)
    for p, value in module.named_buffers():
        w.tensor("last." + p, value)
    w.tensor("losses", torch.tensor(losses, dtype=torch.float64))
    outputs("last")
    print(f"{name}: {len(idle)} idle parameters, {kinks.margin:.2g} from a kink")
    if kinks.margin < margin:
        sys.exit(f"{name}: too near; give it another draw=")


# ---- the nets, as people write them in PyTorch -------------------------------------------------------------------------

def mlp():
    net = nn.Sequential()
    net.add_module("fc1", nn.Linear(784, 256))
    net.add_module("relu", nn.ReLU())
    net.add_module("fc2", nn.Linear(256, 10))
    golden("mlp", net, {"image": (784,), "label": None}, F.cross_entropy, 64, 32, 20, 0.05, classes=10, low=0, limit=512,
           falls=True)


def small():
    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.add_module("in", nn.Linear(20, 16))
            self.mix = nn.Linear(16, 16)
            self.code = nn.Linear(16, 6, bias=False)
            self.out = nn.Linear(6, 5)

        def forward(self, x):
            h = torch.tanh(self.get_submodule("in")(x))
            h = F.softplus(self.mix(h + torch.sigmoid(self.mix(h))))
            code = self.code(h)
            return {"logits": self.out(torch.exp(-(code * code))), "code": code}

    golden("small", Small(), {"x": (20,), "label": None, "target": (6,)},
           lambda logits, code, label, target: F.cross_entropy(logits, label) + 0.5 * F.mse_loss(code, target),
           8, 5, 20, 0.1, classes=5, limit=4096, weight_decay=0.01, nesterov=True)


def mynet():
    class MyNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 32, 3, padding=1)
            self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
            self.conv3 = nn.Conv2d(64, 128, 3, padding=1)
            self.drop1, self.fc1 = Dropout(0.5), nn.Linear(18432, 512)
            self.drop2, self.fc2 = Dropout(0.5), nn.Linear(512, 10)

        def forward(self, x):
            h = F.relu(self.conv1(x))
            h = F.max_pool2d(F.relu(self.conv2(h)), 2)
            h = F.max_pool2d(F.relu(self.conv3(h)), 2)
            h = F.relu(self.fc1(self.drop1(h.flatten(1))))
            return self.fc2(self.drop2(h))

    golden("mynet", MyNet(), {"image": (3, 48, 48), "label": None}, F.cross_entropy, 2, 1, 5, 0.01, classes=10, limit=256,
           margin=5e-8, weight_decay=1e-4)


def narrow_resnet18(width, classes):
    """torchvision's ResNet-18, each convolution and norm made again with fewer channels: its width is no argument."""
    import torchvision
    net = torchvision.models.resnet18(num_classes=classes)

    def narrow(channels):
        return channels if channels == 3 else channels * width // 64

    for path, m in list(net.named_modules()):
        if isinstance(m, nn.Conv2d):
            net.set_submodule(path, nn.Conv2d(narrow(m.in_channels), narrow(m.out_channels), m.kernel_size, m.stride, m.padding,
                                              bias=False))
        elif isinstance(m, nn.BatchNorm2d):
            net.set_submodule(path, nn.BatchNorm2d(narrow(m.num_features)))
        elif isinstance(m, nn.Linear):
            net.set_submodule(path, nn.Linear(narrow(m.in_features), m.out_features))
    return net


def resnet18():
    golden("resnet18", narrow_resnet18(16, 10), {"image": (3, 33, 33), "label": None}, F.cross_entropy, 4, 3, 5, 0.01,
           classes=10, draw=17, weight_decay=1e-4)


def mobilenet_v2():
    import torchvision
    net = torchvision.models.mobilenet_v2(width_mult=0.25, num_classes=10)
    net.classifier[0] = Dropout(0.2)
    golden("mobilenet_v2", net, {"image": (3, 33, 33), "label": None}, F.cross_entropy, 4, 3, 5, 0.01, classes=10,
           bias=2.5, draw=17, weight_decay=4e-5)


def tcn():
    class Block(nn.Module):
        def __init__(self, channels, out, dilation):
            super().__init__()
            self.reach = 2 * dilation
            self.conv1, self.drop1 = nn.Conv1d(channels, out, 3, dilation=dilation), Dropout(0.2)
            self.conv2, self.drop2 = nn.Conv1d(out, out, 3, dilation=dilation), Dropout(0.2)
            self.downsample = nn.Conv1d(channels, out, 1) if channels != out else None

        def forward(self, x):
            y = self.drop1(F.relu(self.conv1(F.pad(x, [self.reach, 0]))))
            y = self.drop2(F.relu(self.conv2(F.pad(y, [self.reach, 0]))))
            return F.relu(y + (self.downsample(x) if self.downsample else x))

    class Tcn(nn.Module):
        def __init__(self):
            super().__init__()
            widths = [5, 16, 24, 24, 24]
            self.network = nn.Sequential(*(Block(widths[k], widths[k + 1], 2**k) for k in range(4)))
            self.linear = nn.Linear(24, 7)

        def forward(self, x):
            return self.linear(self.network(x)[:, :, -1])

    golden("tcn", Tcn(), {"x": (5, 51), "label": None}, F.cross_entropy, 6, 4, 5, 0.02, classes=7, limit=128,
           draw=5)


def unet():
    def double_conv(channels, out):
        return nn.Sequential(nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(),
                             nn.Conv2d(out, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU())

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.fine, self.middle, self.coarse = double_conv(3, 12), double_conv(12, 20), double_conv(20, 28)
            self.up = nn.ConvTranspose2d(28, 20, 2, stride=2)
            self.middle_up = double_conv(40, 20)
            self.narrow = nn.Conv2d(20, 12, 1)
            self.fine_up = double_conv(24, 12)
            self.out = nn.Conv2d(12, 3, 1)

        def forward(self, x):
            fine = self.fine(x)
            middle = self.middle(F.max_pool2d(fine, 2))
            y = self.up(self.coarse(F.max_pool2d(middle, 2)))
            y = self.middle_up(torch.cat([middle, y], 1))
            y = self.narrow(F.interpolate(y, scale_factor=2, mode="bilinear"))
            return self.out(self.fine_up(torch.cat([fine, y], 1)))

    golden("unet", UNet(), {"image": (3, 36, 20), "target": (3, 36, 20)}, F.binary_cross_entropy_with_logits, 3, 2, 5, 0.02,
           limit=128)


def cnn():
    class Cnn(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
            self.conv2 = nn.Conv2d(8, 12, 3, padding=1)
            self.conv3 = nn.Conv2d(12, 16, 3, padding=1)
            self.fc1, self.fc2 = nn.Linear(144, 32), nn.Linear(32, 10)

        def forward(self, x):
            h = F.relu(self.conv1(x))
            h = F.max_pool2d(F.relu(self.conv2(h)), 2)
            h = F.max_pool2d(F.relu(self.conv3(h)), 2)
            return self.fc2(F.relu(self.fc1(h.flatten(1))))

    golden("cnn", Cnn(), {"image": (3, 12, 12), "label": None}, F.cross_entropy, 8, 3, 20, 0.01, classes=10, limit=128,
           weight_decay=1e-4)


def cnn_norm():
    class Block(nn.Module):
        def __init__(self, channels, out):
            super().__init__()
            self.conv, self.bn = nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out)

        def forward(self, x):
            return F.relu(self.bn(self.conv(x)))

    class CnnNorm(nn.Module):
        def __init__(self):
            super().__init__()
            self.block1, self.block2, self.fc = Block(3, 8), Block(8, 16), nn.Linear(16, 5)

        def forward(self, x):
            return self.fc(self.block2(F.max_pool2d(self.block1(x), 2)).mean((2, 3)))

    golden("cnn_norm", CnnNorm(), {"image": (3, 8, 8), "label": None}, F.cross_entropy, 32, 1, 20, 0.01, classes=5, limit=128)


def tied():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.token, self.mix = nn.Embedding(12, 6), nn.Linear(6, 6)

        def forward(self, token):
            return F.linear(torch.tanh(self.mix(self.token(token))).sum(1), self.token.weight)

    golden("tied", Tied(), {"token": [4], "label": None}, F.cross_entropy, 8, 3, 20, 0.05, classes=12)


def last_step():
    class LastStep(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.head = nn.LSTM(5, 10, 2, batch_first=True), nn.Linear(10, 4)

        def forward(self, x):
            return self.head(self.lstm(x)[1][0][-1])

    golden("last_step", LastStep(), {"x": (12, 5), "label": None}, F.cross_entropy, 6, 2, 100, 0.02, classes=4)


def pooled():
    class Pooled(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru, self.head = nn.GRU(4, 7, batch_first=True, bidirectional=True), nn.Linear(14, 8)

        def forward(self, x, length):
            rows = (length > 0).nonzero()[:, 0]  # PyTorch refuses an empty sequence
            packed = nn.utils.rnn.pack_padded_sequence(x[rows], length[rows], batch_first=True, enforce_sorted=False)
            y, _ = nn.utils.rnn.pad_packed_sequence(self.gru(packed)[0], batch_first=True)
            mean = x.new_zeros(len(x), 14).index_copy(0, rows, y.sum(1) / length[rows, None])
            return self.head(mean)

    golden("pooled", Pooled(), {"x": (9, 4), "length": None, "label": None}, F.cross_entropy, 6, 2, 100, 0.01, classes=8, models=2,
           adam=True)


def tagging():
    class Tagging(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = nn.RNN(4, 8, 2, batch_first=True), nn.Linear(8, 5)

        def forward(self, x):
            return self.head(self.rnn(x)[0])

    golden("tagging", Tagging(), {"x": (11, 4), "tag": [11]},
           lambda logits, tag: F.cross_entropy(logits.transpose(1, 2), tag, ignore_index=0), 6, 2, 100, 0.02, classes=5)


def seq2seq():
    class Seq2Seq(nn.Module):
        def __init__(self):
            super().__init__()
            self.source, self.target = nn.Embedding(9, 6), nn.Embedding(9, 6)
            self.encoder, self.decoder = nn.GRU(6, 12, batch_first=True), nn.GRU(6, 12, batch_first=True)
            self.head = nn.Linear(12, 9)

        def decode(self, words, h):
            y, h = self.decoder(self.target(words), h)
            return self.head(y), h

        def forward(self, source):
            h = self.encoder(self.source(source))[1]
            if self.training:
                return h  # what the right words are is an argument of the loss
            word, scores, words = torch.zeros(len(source), 1, dtype=torch.int64), [], []
            for _ in range(5):
                logits, h = self.decode(word, h)
                best = logits[:, 0].topk(2).values
                assert (best[:, 0] - best[:, 1]).min() > 1e-3, "rounding must not choose a word; give it another draw="
                word = logits.argmax(2)
                scores.append(logits)
                words.append(word.double())
            return {"logits": torch.cat(scores, 1), "words": torch.cat(words, 1)}

    net = Seq2Seq()

    def loss(h, target):
        before = torch.cat([torch.zeros_like(target[:, :1]), target[:, :-1]], 1)
        return F.cross_entropy(net.decode(before, h)[0].transpose(1, 2), target)

    golden("seq2seq", net, {"source": [7], "target": [5]}, loss, 6, 2, 100, 0.01, classes=9, limit=32, adam=True)


def words():
    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.word, self.lstm = nn.Embedding(20, 8), nn.LSTM(8, 16, batch_first=True, proj_size=8)

        def forward(self, text):
            self.text = text
            return F.linear(self.lstm(self.word(text[:, :-1]))[0], self.word.weight)

    net = Words()
    golden("words", net, {"text": [10]}, lambda logits: F.cross_entropy(logits.transpose(1, 2), net.text[:, 1:]), 6, 2, 100, 0.05,
           classes=20, norm=0.2)


def gan():
    """Two optimisers in one step: the discriminator learns first, the generator from what it has learned. Written out,
    since `golden` knows one loss."""
    def perceptron(inputs, outputs):
        return nn.ModuleDict({"fc1": nn.Linear(inputs, 24), "fc2": nn.Linear(24, outputs)}).double()

    nets = nn.ModuleDict({"gen": perceptron(6, 10), "disc": perceptron(10, 1)})
    w, kinks, lr, losses = Writer("gan", 256), Kinks(), 2e-3, []
    optimizer = {}
    for path, value in nets.state_dict().items():
        value.copy_(filled(path, tuple(value.shape)))
    for part, net in nets.items():
        optimizer[part] = torch.optim.Adam(net.parameters(), lr=float(np.float32(lr)), betas=(0.5, 0.999))

    def generate(z):
        return torch.tanh(nets["gen"]["fc2"](F.relu(nets["gen"]["fc1"](z))))

    def judge(x, real):
        y = nets["disc"]["fc2"](F.leaky_relu(nets["disc"]["fc1"](x), 0.2))
        return F.binary_cross_entropy_with_logits(y, torch.full_like(y, real))

    def learn(part, loss):
        nets.zero_grad()
        loss.backward(retain_graph=True)
        optimizer[part].step()
        return loss.item()

    def batch(key, step, width):
        return uniform(seed_of(f"{key}.{step}.0"), (5 if step % 5 == 4 else 16, width), -1, 1).double()

    w.tensor("first.image", generate(batch("z", 0, 6)))
    for step in range(20):
        with kinks:
            fake = generate(batch("z", step, 6))
            d = learn("disc", judge(batch("real", step, 10), 1.0) + judge(fake.detach(), 0.0))
            losses.append((d, learn("gen", judge(fake, 1.0))))
        for path, value in nets.named_parameters():
            if step == 0:
                w.tensor("step1." + path, value)
    for path, value in nets.named_parameters():
        part = path.split(".")[0]
        w.tensor("last." + path, value)
        for name in ("exp_avg", "exp_avg_sq"):
            w.tensor(f"last.optim.step.{0 if part == 'disc' else 1}.{path}.{name}", optimizer[part].state[value][name])
    for name, values in zip(("losses", "losses.g_loss"), zip(*losses)):
        w.tensor(name, torch.tensor(values, dtype=torch.float64))
    w.tensor("last.image", generate(batch("z", 0, 6)))
    print(f"gan: {kinks.margin:.2g} from a kink")


if __name__ == "__main__":
    nets = {f.__name__: f for f in (mlp, small, mynet, resnet18, mobilenet_v2, tcn, unet, cnn, cnn_norm, tied, last_step, pooled, tagging, seq2seq,
                                      words, gan)}
    for net in sys.argv[1:] or nets:
        nets[net]()
