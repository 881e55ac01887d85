"""The same LoRA step in PyTorch, for `npm run bench:train` to alternate with; it also runs alone.

  python3 torch-lora-step.py '{"layers": 8, ...}'    (train.ts gives the shape, so that it is written down once)

Prints one JSON line when it is ready, and then one for each line it reads: wall and CPU seconds of a step, and its loss.
At the end of its input it ends. The number of threads is OMP_NUM_THREADS. Debian's python3-torch comes with a BLAS that
is twenty times too slow; libopenblas0-pthread takes its place, but takes some virtual CPUs for old ones:
OPENBLAS_CORETYPE=SkylakeX names the right kernels.
"""
import json
import math
import os
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

shape = json.loads(sys.argv[1])
torch.manual_seed(1)
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


def matrix(out_features, in_features, scale=1.0, trained=False):
    values = torch.randn(out_features, in_features) * (scale / math.sqrt(in_features))
    return nn.Parameter(values, requires_grad=trained)


def rms_norm(x):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)


class Adapted(nn.Module):
    """A frozen linear layer and its low-rank update with alpha = 2 * rank."""

    def __init__(self, in_features, out_features):
        super().__init__()
        self.frozen = matrix(out_features, in_features)
        self.a = matrix(shape["rank"], in_features, trained=True)
        self.b = matrix(out_features, shape["rank"], 0.1, trained=True)

    def forward(self, x):
        return F.linear(x, self.frozen) + 2.0 * F.linear(F.linear(x, self.a), self.b)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        width, ffn = shape["hiddenSize"], shape["intermediateSize"]
        queries = shape["heads"] * shape["headSize"]
        keys = shape["keyValueHeads"] * shape["headSize"]
        self.query, self.key, self.value = matrix(queries, width), matrix(keys, width), matrix(keys, width)
        self.output = matrix(width, queries)
        self.gate, self.up, self.down = Adapted(width, ffn), Adapted(width, ffn), Adapted(ffn, width)

    def heads(self, weight, x):
        rows, length, _ = x.shape
        return F.linear(x, weight).view(rows, length, -1, shape["headSize"]).transpose(1, 2)

    def forward(self, x, turn, mask):
        h = rms_norm(x)
        query = turn(rms_norm(self.heads(self.query, h)))
        key = turn(rms_norm(self.heads(self.key, h)))
        value = self.heads(self.value, h)
        group = shape["heads"] // shape["keyValueHeads"]
        key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
        scores = query @ key.transpose(-1, -2) / math.sqrt(shape["headSize"]) + mask
        x = x + F.linear((scores.softmax(-1) @ value).transpose(1, 2).flatten(2), self.output)
        h = rms_norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


rows, length, vocabulary = shape["rows"], shape["rowLength"], shape["vocabularySize"]
embedding = matrix(vocabulary, shape["hiddenSize"], 0.3)
blocks = nn.ModuleList(Block() for _ in range(shape["layers"]))
half = shape["headSize"] // 2
angles = torch.outer(torch.arange(length).float(), 1e6 ** (-torch.arange(half).float() / half))
cosine, sine = angles.cos().repeat(1, 2), angles.sin().repeat(1, 2)
mask = torch.full((length, length), -math.inf).triu(1)
optimizer = torch.optim.AdamW([p for p in blocks.parameters() if p.requires_grad], lr=1e-3)


def turn(x):
    return x * cosine + torch.cat([-x[..., half:], x[..., :half]], -1) * sine


def step():
    ids = torch.randint(0, vocabulary, (rows, length + 1))
    x = embedding[ids[:, :-1]]
    for block in blocks:
        x = block(x, turn, mask)
    loss = F.cross_entropy((rms_norm(x) @ embedding.T).flatten(0, 1), ids[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def product_gflops():
    """Of a product of the step: a few GFLOP/s mean that torch found no optimised BLAS."""
    x, w = torch.randn(rows * length, shape["hiddenSize"]), torch.randn(shape["intermediateSize"], shape["hiddenSize"])
    best = math.inf
    for _ in range(5):
        start = time.process_time()
        F.linear(x, w)
        best = min(best, time.process_time() - start)
    return 2 * x.numel() * w.shape[0] / best / 1e9


step()
print(json.dumps({"version": torch.__version__, "gflops": product_gflops()}), flush=True)
for _ in sys.stdin:
    wall, cpu = time.perf_counter(), time.process_time()
    loss = step()
    print(
        json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "loss": loss}),
        flush=True,
    )
