#!/bin/sh
# PyTorch's chunked linear_cross_entropy treats ignored rows differently from its reference path.
#
# Guess: with LinearCrossEntropyOptions() every result is that of options=None up to rounding; a row whose target is ignore_index counts for
# nothing in either.
# Seen with torch 2.15.0 (CPU, float32): where all rows count, both agree to 1e-6. But (1) a row that is ignored and has a NaN in it: the loss
# of the reference is finite (and 0 in that row with reduction='none'), the chunked one is NaN; the weight's gradient is NaN on both. (2) All
# rows ignored, reduction='mean': the loss is NaN on both paths; the reference's gradients are all 0, the chunked ones all NaN.
# reduction='sum' gives 0 and 0 on both.
# So: a batch that is padding alone leaves the weights as they are on one path and ruins them on the other, and only the chunked loss tells of
# a NaN in padding. When outputs are compared with this function, say which path was taken.
set -eu
. "$(dirname "$0")/lib.sh"
python_with torch==2.15.0 numpy==2.4.6 <<'PY'
import math, torch
from torch.nn.functional import linear_cross_entropy

torch.manual_seed(0)
rows, features, classes = 37, 16, 50
x, w = torch.randn(rows, features), torch.randn(classes, features)
target = torch.randint(0, classes, (rows,))

def run(x, target, options, reduction):
    a, b = x.clone().requires_grad_(), w.clone().requires_grad_()
    loss = linear_cross_entropy(a, b, target, reduction=reduction, options=options)
    loss.sum().backward()
    return loss.detach(), a.grad, b.grad

def both(x, target, reduction="mean"):
    return run(x, target, None, reduction), run(x, target, torch.nn.LinearCrossEntropyOptions(), reduction)

whole, chunked = both(x, target)
for a, b in zip(whole, chunked):
    assert torch.allclose(a, b, atol=1e-6), "paths differ where all rows count"

padded, ignored = x.clone(), target.clone()
padded[3, 0], ignored[3] = math.nan, -100
whole, chunked = both(padded, ignored)
print("NaN in an ignored row, mean: %g and %g (chunked)" % (whole[0], chunked[0]))
assert whole[0].isfinite() and chunked[0].isnan() and whole[2].isnan().all() and chunked[2].isnan().all()
whole, chunked = both(padded, ignored, "none")
print("its own loss, none: %g and %g" % (whole[0][3], chunked[0][3]))
assert whole[0][3] == 0 and chunked[0][3].isnan()
assert torch.allclose(torch.cat([whole[0][:3], whole[0][4:]]), torch.cat([chunked[0][:3], chunked[0][4:]]), atol=1e-5)

nothing = torch.full((rows,), -100)
whole, chunked = both(x, nothing)
print("all rows ignored, mean: loss %g and %g, largest weight gradient %g and %g" % (whole[0], chunked[0], whole[2].abs().max(), chunked[2].abs().max()))
assert whole[0].isnan() and chunked[0].isnan()
assert all((g == 0).all() for g in whole[1:]) and all(g.isnan().all() for g in chunked[1:])
whole, chunked = both(x, nothing, "sum")
assert all((v == 0).all() for v in whole + chunked)
print("as described")
PY
