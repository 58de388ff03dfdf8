"""Random networks of all operations that import takes, in any order, with branches, shared values, one or two inputs
and one or several outputs."""

import numpy as np
import torch
import torch.nn.functional as F
from operatorrig import made
from torch import nn

from xbarch.compress.training.network import take_parts

FUNCTIONS = (torch.relu, torch.relu, F.relu6, torch.sigmoid, torch.tanh, F.gelu, F.silu, F.hardswish, F.leaky_relu,
             F.elu, lambda y: y.clamp(-0.5, 0.7), torch.abs, lambda y: y**2, F.softplus, F.hardtanh)


class Drawn(nn.Module):
    """Steps drawn from `seed`; each reads values made before, so that values are shared and branches join. inputs:
    shapes of the model's inputs. more: outputs beside the last value."""

    def __init__(self, seed, steps, inputs=((3, 8, 8),), more=0):
        super().__init__()
        self.rng, self.m, self.plan = np.random.default_rng(seed), nn.ModuleList(), []
        self.shapes, self.inputs = list(inputs), inputs
        for _ in range(steps):
            self.draw()
        last = self.pick()
        c, h, w = self.shapes[last]
        head = int(self.rng.integers(4))
        modules = [nn.Sequential(nn.Flatten(), nn.Linear(c * h * w, 5)), nn.Conv2d(c, 5, 1),
                   nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 5)),
                   nn.Sequential(nn.Flatten(), nn.Linear(c * h * w, 5), nn.Softmax(1))]
        self.m.append(modules[head])
        self.plan.append((lambda m, vs, k=len(self.m) - 1: m[k](vs[last]), None))
        self.more, self.wrap = [self.pick() for _ in range(more)], int(self.rng.integers(3))

    def pick(self):
        """A value, more often a late one."""
        return len(self.shapes) - 1 - min(int(self.rng.geometric(0.6)) - 1, len(self.shapes) - 1)

    def add(self, module):
        self.m.append(module)
        return len(self.m) - 1

    def step(self, do, shape):
        if max(shape) <= 64 and min(shape) >= 1:
            self.plan.append((do, None))
            self.shapes.append(tuple(int(n) for n in shape))

    def draw(self):
        kinds = [self.convolve, self.convolve, self.convolve, self.norm, self.norm, self.function, self.function,
                 self.function, self.pool, self.join, self.join, self.join, self.move, self.move, self.constant,
                 self.gate, self.transposed, self.tokens, self.again, self.resize, self.resize, self.pad]
        kinds[int(self.rng.integers(len(kinds)))]()

    def convolve(self):
        i, r = self.pick(), self.rng
        c, h, w = self.shapes[i]
        kernel, stride, dilation = int(r.integers(1, 4)), int(r.integers(1, 3)), int(r.integers(1, 3))
        groups = int(r.choice([g for g in (1, 1, 2, 3, c) if c % g == 0]))
        filters = groups * int(r.integers(1, 1 + max(1, 12 // groups)))
        padding = int(r.integers(0, 3))
        mode = ["zeros", "zeros", "zeros", "reflect", "circular"][int(r.integers(5))]
        size = [(n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 for n in (h, w)]
        if min(size) < 1 or padding >= min(h, w):
            return
        k = self.add(nn.Conv2d(c, filters, kernel, stride, padding, dilation, groups, bool(r.integers(2)), mode))
        self.step(lambda m, vs: m[k](vs[i]), (filters, *size))

    def norm(self):
        i, r = self.pick(), self.rng
        c, h, w = self.shapes[i]
        choice = int(r.integers(5))
        if choice == 4:
            k = self.add(nn.LayerNorm(c))
            self.step(lambda m, vs: m[k](vs[i].permute(0, 2, 3, 1)).permute(0, 3, 1, 2), (c, h, w))
            return
        groups = int(r.choice([1, c]))
        k = self.add([nn.BatchNorm2d(c), nn.BatchNorm2d(c), nn.GroupNorm(groups, c), nn.Dropout()][choice])
        self.step(lambda m, vs: m[k](vs[i]), (c, h, w))

    def function(self):
        i, f = self.pick(), FUNCTIONS[int(self.rng.integers(len(FUNCTIONS)))]
        self.step(lambda m, vs: f(vs[i]), self.shapes[i])

    def pool(self):
        i, r = self.pick(), self.rng
        c, h, w = self.shapes[i]
        kernel, stride = int(r.integers(1, 4)), int(r.integers(1, 3))
        padding = int(r.integers(0, kernel // 2 + 1))
        if min(h, w) + 2 * padding < kernel:
            return
        up, divisor = bool(r.integers(2)), [None, None, None, 3][int(r.integers(4))]
        make = nn.MaxPool2d(kernel, stride, padding, ceil_mode=up) if r.integers(2) else \
            nn.AvgPool2d(kernel, stride, padding, up, bool(r.integers(2)), divisor)
        shape = make(torch.zeros(1, c, h, w)).shape[1:]
        k = self.add(make)
        self.step(lambda m, vs: m[k](vs[i]), shape)

    def resize(self):
        """Adaptive pooling and interpolation to any size."""
        i, r = self.pick(), self.rng
        c = self.shapes[i][0]
        size = tuple(int(n) for n in r.integers(1, 10, 2))
        do = [nn.AdaptiveAvgPool2d(size), nn.AdaptiveMaxPool2d(size), nn.Upsample(size, mode="bilinear"),
              nn.Upsample(size, mode="bilinear", align_corners=True), nn.Upsample(size, mode="nearest-exact")]
        k = self.add(do[int(r.integers(5))])
        self.step(lambda m, vs: m[k](vs[i]), (c, *size))

    def pad(self):
        i, r = self.pick(), self.rng
        c, h, w = self.shapes[i]
        a, b = (int(n) for n in r.integers(0, 3, 2))
        make = [nn.ConstantPad2d((a, b, b, 0), float(r.normal())), nn.ReplicationPad2d((a, b, b, 0)),
                nn.ReflectionPad2d((a, b, b, 0)), nn.CircularPad2d((a, b, b, 0))][int(r.integers(4))]
        if max(a, b) < min(h, w) and max(h, w) <= 12:
            k = self.add(make)
            self.step(lambda m, vs: m[k](vs[i]), (c, h + b, w + a + b))

    def join(self):
        i, r = self.pick(), self.rng
        same = [j for j, s in enumerate(self.shapes) if s == self.shapes[i]]
        beside = [j for j, s in enumerate(self.shapes) if s[1:] == self.shapes[i][1:]]
        c, h, w = self.shapes[i]
        j, k = int(r.choice(same)), int(r.choice(beside))
        choice = int(r.integers(5))
        if choice == 0:
            self.step(lambda m, vs: vs[i] + vs[j], (c, h, w))
        elif choice == 1:
            self.step(lambda m, vs: vs[j] - 0.5 * vs[i], (c, h, w))
        elif choice == 2:
            self.step(lambda m, vs: vs[i] * vs[j], (c, h, w))
        elif choice == 3:
            self.step(lambda m, vs: vs[i] + vs[k][:, :1], (c, h, w))
        else:
            self.step(lambda m, vs: torch.cat([vs[i], vs[k]], 1), (c + self.shapes[k][0], h, w))

    def move(self):
        i, r = self.pick(), self.rng
        c, h, w = self.shapes[i]
        moves = [(lambda y: y.transpose(2, 3), (c, w, h)), (lambda y: y.flip(3), (c, h, w)),
                 (lambda y: y[:, ::2], (-(-c // 2), h, w)), (lambda y: y[:, :, 1:], (c, h - 1, w)),
                 (lambda y: F.pad(y, (1, 0, 0, 2)), (c, h + 2, w + 1)),
                 (lambda y: F.interpolate(y, scale_factor=2), (c, 2 * h, 2 * w)),
                 (lambda y: y.roll(1, 1), (c, h, w)), (lambda y: y.permute(0, 2, 3, 1), (h, w, c)),
                 (lambda y: y.chunk(2, 1)[0], (-(-c // 2), h, w)),
                 (lambda y: y.flatten(2).unflatten(2, (w, h)), (c, w, h))]
        if c % 4 == 0:
            moves += [(lambda y: F.pixel_shuffle(y, 2), (c // 4, 2 * h, 2 * w)),
                      (lambda y: F.channel_shuffle(y, 2), (c, h, w))]
        do, shape = moves[int(r.integers(len(moves)))]
        if h > 1 and max(h, w) <= 8:
            self.step(lambda m, vs: do(vs[i]), shape)

    def constant(self):
        i, r = self.pick(), self.rng
        c, h, w = self.shapes[i]
        of = [(), (c, 1, 1), (1, c, 1, 1), (w,), (h, w)][int(r.integers(5))]
        t = torch.tensor(r.normal(size=of), dtype=torch.float32)
        op = [lambda y: y + t, lambda y: y * t, lambda y: t - y, lambda y: y / (t.abs() + 0.5)][int(r.integers(4))]
        self.step(lambda m, vs: op(vs[i]), (c, h, w))

    def gate(self):
        i = self.pick()
        c, h, w = self.shapes[i]
        k = self.add(nn.Conv2d(c, c, 1))
        self.step(lambda m, vs: vs[i] * torch.sigmoid(m[k](vs[i].mean((2, 3), keepdim=True))), (c, h, w))

    def transposed(self):
        i, r = self.pick(), self.rng
        c, h, w = self.shapes[i]
        kernel, stride, padding = int(r.integers(1, 4)), int(r.integers(1, 3)), int(r.integers(0, 2))
        size = [(n - 1) * stride - 2 * padding + kernel for n in (h, w)]
        if min(size) < 1 or max(h, w) > 8:
            return
        k = self.add(nn.ConvTranspose2d(c, 4, kernel, stride, padding))
        self.step(lambda m, vs: m[k](vs[i]), (4, *size))

    def tokens(self):
        i = self.pick()
        c, h, w = self.shapes[i]
        k = self.add(nn.Linear(c, 6))
        self.step(lambda m, vs: m[k](vs[i].flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, (h, w)), (6, h, w))

    def again(self):
        """A module that was called before."""
        convs = [k for k, m in enumerate(self.m) if isinstance(m, nn.Conv2d)]
        if not convs:
            return
        k, r = int(self.rng.choice(convs)), self.rng
        fitting = [j for j, s in enumerate(self.shapes) if s[0] == self.m[k].in_channels]
        i = int(r.choice(fitting))
        try:
            shape = self.m[k](torch.zeros(1, *self.shapes[i])).shape[1:]
        except RuntimeError:
            return
        self.step(lambda m, vs: m[k](vs[i]), shape)

    def forward(self, *images):
        values = list(images)
        for do, _ in self.plan:
            values.append(do(self.m, values))
        if not self.more:
            return values[-1]
        found = [values[-1], *(values[i] for i in self.more)]
        return [tuple(found), dict(zip("abcd", found, strict=False)), {"a": found[0], "b": found[1:]}][self.wrap]


def drawn(seed, steps=None):
    """A random model with random weights and statistics, for an image of (3, 8, 8), which holds its inputs."""
    steps = 2 + seed % 9 if steps is None else steps
    model = parted(seed, steps)
    if len(model.inputs) > 1:
        model = take_parts(model, model.inputs)
    return made(lambda m, x: m[0](x), model, seed=seed)


def parted(seed, steps):
    """One in four has two inputs, two in four have dense outputs beside the last one."""
    rng = np.random.default_rng((seed, 1))
    inputs = [((3, 8, 8),), ((3, 8, 8),), ((3, 8, 8),), ((1, 8, 8), (2, 8, 8)), ((2, 8, 8), (8, 8, 1))][
        int(rng.integers(5))]
    return Drawn(seed, steps, inputs, [0, 0, 1, 3][int(rng.integers(4))])
