"""PyTorch models as layer graphs."""

import logging
import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from xbarch.compress.intake import models
from xbarch.compress.intake.trace import trace_model
from xbarch.compress.quantizers.network import Network
from xbarch.errors import InputError
from xbarch.specs.recipe import Quantization
from xbarch.workload.networks import network

torch.set_num_threads(1)


@pytest.mark.full
@pytest.mark.parametrize("name, shape", [("resnet18", (3, 32, 32)), ("resnet20", (3, 32, 32)), ("vgg7", (3, 32, 32)),
                                         ("vgg16", (3, 32, 32)), ("lenet5", (1, 28, 28))])
def test_models_have_the_shapes_of_the_reference_networks(name, shape):
    """The trainable models and the torch-free graphs of the zoo were written apart; their layers must agree."""
    taken = trace_model(models.build(name, 10, None, 0), shape)

    def window(la):
        return la.op, la.in_shape, la.out_shape, la.kernel, la.stride, la.padding

    ours = [window(la) for la in taken.layers if la.op in ("conv", "linear", "add", "maxpool")]
    zoo = [window(la) for la in network(name) if la.op in ("conv", "linear", "add", "maxpool")]
    assert sorted(ours) == sorted(zoo)
    weights = sum(p.weight.numel() for p in taken.parameters.values())
    assert weights == sum(la.rows * la.filters for la in network(name) if la.compute)
    if name == "resnet18":
        assert 11.1e6 < weights < 11.2e6


def test_vgg_takes_images_of_another_size():
    """Its first linear layer reads what the three poolings leave; that of 32 x 32 keeps its weights."""
    small, usual, named = (models.build("vgg7", 10, 2, 0, *size) for size in (((16, 9),), (), ((32, 32),)))
    assert small.classifier[0].in_features == 8 * 2 * 1
    assert small.eval()(torch.zeros(1, 3, 16, 9)).shape == (1, 10)
    assert all(torch.equal(a, b) for a, b in zip(usual.state_dict().values(), named.state_dict().values(), strict=True))


class Everything(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 8, (3, 1), stride=(2, 1), padding=(2, 0), dilation=(2, 1), groups=2)
        self.norm = nn.BatchNorm2d(8)
        self.same = nn.Conv2d(8, 8, 3, padding="same", bias=False)
        self.pool = nn.AvgPool2d(2)
        self.drop = nn.Dropout()
        self.fc = nn.Linear(8 * 4 * 6, 5)

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x)))
        y = F.relu(self.same(x))
        y += x
        return self.fc(self.drop(self.pool(F.relu(y)).flatten(1)))


class Exact(nn.Module):
    """A quantizer of weights that changes none."""

    def forward(self, w, held):
        return w


def test_every_operation_and_its_numbers():
    """Without quantization error (many bits, wide clips) the graph computes what the model computes."""
    torch.manual_seed(3)
    model = Everything().eval()
    model.norm.running_mean.normal_()
    model.norm.running_var.uniform_(0.5, 2)
    taken = trace_model(model, (4, 15, 12))
    conv = next(la for la in taken.layers if la.name == "conv")
    assert (conv.groups, conv.stride, conv.padding, conv.dilation, conv.kernel) == (2, (2, 1), (2, 0), (2, 1), (3, 1))
    assert [la.op for la in taken.layers] == ["input", "conv", "conv", "add", "avgpool", "flatten", "linear"]
    net = Network(taken, Quantization()).eval()
    for node in net.nodes.values():
        node.out = None
        if node.layer.compute:
            node.levels = Exact()
    x = torch.rand(3, 4, 15, 12)
    for node in net.nodes.values():  # only ReLU is left of the quantizers
        if node.layer.relu:
            node.out = nn.ReLU()
    torch.testing.assert_close(net(x), model(x))


def test_global_average_by_mean():
    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(4, 2)

        def forward(self, x):
            return self.fc(F.relu(self.conv(x)).mean((2, 3)))

    taken = trace_model(Mean(), (1, 8, 8))
    assert [(la.op, la.kernel) for la in taken.layers][2] == ("avgpool", (6, 6))


class Bad(nn.Module):
    def __init__(self, do):
        super().__init__()
        self.conv, self.other, self.do = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), do

    def forward(self, x):
        return self.do(self, x)


@pytest.mark.parametrize("do, says", [
    (lambda m, x: F.relu(m.conv(x)) if x.sum() > 0 else x, "cannot be exported"),
    (lambda m, x: m.conv(x) / (1 + x[:, :1]), "divides by a computed value"),
    (lambda m, x: F.scaled_dot_product_attention(m.conv(x), x[:, :1], x[:, :1]), "uses attention in"),
    (lambda m, x: m.conv(x) @ x[:, :1], "multiplies matrices that are both computed"),
    (lambda m, x: F.dropout(m.conv(x)), "stays active in evaluation mode"),
    (lambda m, x: m.conv(x) - x.mean(0, keepdim=True)[:, :1], "averages over the images of a batch"),
    (lambda m, x: F.softmax(m.conv(x), 1) * m.conv(x), "uses softmax in its forward.* before the end"),
    (lambda m, x: F.interpolate(m.conv(x), scale_factor=2, mode="bicubic"), "uses upsample_bicubic2d"),
    (lambda m, x: (m.conv(x), m.conv.weight), "must return tensors that it computes from the image"),
    (lambda m, x: F.interpolate(m.conv(x), scale_factor=1.3, mode="bilinear"), "a factor that does not fit 8 x 8"),
    (lambda m, x: F.pad(m.conv(x), (1, 1), value=-torch.inf), "a constant must be finite"),
    (lambda m, x: torch.cumsum(torch.sort(m.conv(x), 1)[0], 1), "uses sort in its forward"),
    (lambda m, x: F.max_pool2d(x, 2), "must have at least one convolution"),
    (lambda m, x: m.conv(x).transpose(0, 1) * 2, "moves the axis of the images in"),
])
def test_what_has_no_place_is_refused(do, says):
    with pytest.raises(InputError, match=says):
        trace_model(Bad(do), (3, 8, 8))


def test_all_that_blocks_a_network_is_one_sentence_in_the_user_s_words():
    class Several(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.rnn = nn.Conv2d(3, 4, 1), nn.LSTM(8, 8)
            self.up = nn.Upsample(scale_factor=2, mode="bicubic")

        def forward(self, x):
            y = self.conv(x)
            return self.rnn(y[:, 0])[0][:, None] + self.up(y)[:, :, ::2, ::2]

    with pytest.raises(InputError) as caught:
        trace_model(Several(), (3, 8, 8))
    assert "uses LSTM 'rnn', Upsample 'up'; crossbar accelerators run" in str(caught.value)


def test_own_model(tmp_path):
    place = tmp_path / "mine.py"
    place.write_text("from torch import nn\ndef make():\n    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())\n"
                     "def broken():\n    raise RuntimeError('no')\nnumber = int\n")
    made = trace_model(models.build(f"{place}:make", 10, None, 0), (3, 8, 8))
    assert [la.op for la in made.layers] == ["input", "conv"]
    for name, says in [(f"{place}:broken", "RuntimeError"), (f"{place}:absent", "defines no 'absent'"),
                       (f"{place}:number", "a torch.nn.Module, not int"), (f"{tmp_path}/no.py:make", "no such file"),
                       ("no_such_module:make", "no module named"), ("resnet", "resnet18")]:
        with pytest.raises(InputError, match=says):
            models.build(name, 10, None, 0)


@pytest.mark.parametrize("place", ["os:abort", "builtins:breakpoint", "sys:exit", "pdb:set_trace", "code:interact"])
def test_functions_of_python_itself_are_no_models(place):
    """Refused before anything of theirs is called."""
    with pytest.raises(InputError, match="is a module of Python's standard library"):
        models.build(place, 10, None, 0)


@pytest.mark.parametrize("body, says", [
    ("import sys\ndef make():\n    sys.exit(3)\n", "failed in line 3 with SystemExit: 3"),
    ("def make():\n    return make()\n", "with RecursionError"),
    ("raise SystemExit\n", "failed in line 1 with SystemExit"),
    ("def make():\n    raise BaseException('so')\n", "failed in line 2 with BaseException: so"),
    ("make = abs\n", "must be a Python function or class that returns a torch.nn.Module, not a built-in function"),
    ("make = 3\n", "must be a Python function or class that returns a torch.nn.Module, not int"),
])
def test_a_factory_that_does_not_return(tmp_path, body, says):
    (tmp_path / "m.py").write_text(body)
    with pytest.raises(InputError, match=re.escape(says)):
        models.build(f"{tmp_path}/m.py:make", 10, None, 0)


@pytest.mark.quick(1)
@pytest.mark.parametrize("level", [logging.NOTSET, logging.INFO, 70])
def test_logging_is_left_as_it_was_found(level):
    logging.disable(level)
    try:
        trace_model(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), (3, 8, 8))
        assert logging.root.manager.disable == level
        with pytest.raises(InputError):
            trace_model(Bad(lambda m, x: F.relu(m.conv(x)) if x.sum() > 0 else x), (3, 8, 8))
        assert logging.root.manager.disable == level
    finally:
        logging.disable(logging.NOTSET)
