"""What capture reads is what the layer put out, and nothing of it stays behind."""

import copy
from collections import OrderedDict

import pytest
import torch
import torch.nn.functional as F
from oracles import sliding_conv, with_integers, with_random_statistics
from torch import nn

from receptive.errors import ReceptiveError
from receptive.methods.capture import capture, for_inference, outputs_of, responses_to
from receptive.networks import build

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_forward_hooks_with_kwargs")


class Raises(nn.Module):
    """Passes its input on until it is told to fail."""

    def __init__(self, error: BaseException | None = None):
        super().__init__()
        self.error = error
        self.calls = 0
        self.saw_gradients = None

    def forward(self, x):
        self.calls += 1
        self.saw_gradients = torch.is_grad_enabled()
        if self.error is not None:
            raise self.error
        return x


class Untraceable(nn.Module):
    """Its path depends on the values of the image, which tracing cannot follow."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.bn = nn.BatchNorm2d(3)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        if x.sum() > 0:
            x = -x
        return self.dropout(self.bn(self.conv(x)))


def noise(*shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def whole_numbers(*shape, seed=0):
    return torch.randint(-3, 4, shape, generator=torch.Generator().manual_seed(seed)).float()


def chain(error=None):
    """conv - in-place ReLU - conv - gate - flatten - fc, of whole numbers."""
    parts = OrderedDict(
        conv1=nn.Conv2d(2, 3, 3, padding=1),
        relu=nn.ReLU(inplace=True),
        conv2=nn.Conv2d(3, 2, 3, stride=2),
        gate=Raises(error),
        flat=nn.Flatten(),
        fc=nn.Linear(8, 4),
    )
    return with_integers(nn.Sequential(parts))


def traces(network):
    """Everything that capture might leave behind."""
    return (
        [(name, hooks, list(getattr(m, hooks))) for name, m in network.named_modules() for hooks in HOOKS],
        [sorted(module.__dict__) for module in network.modules()],
        [module.__dict__.get("forward") for module in network.modules()],
        [module.training for module in network.modules()],
    )


def assert_same_weights(network, before):
    after = network.state_dict()
    assert list(after) == list(before)
    for name, value in before.items():
        assert torch.equal(after[name], value)
        assert after[name].dtype == value.dtype


# What is read


@pytest.mark.parametrize("stop", [False, True])
def test_values_are_the_layers_output_before_an_inplace_operation(stop):
    network, images = chain(), whole_numbers(3, 2, 5, 6)
    with capture(network, ["conv1", "relu", "conv2"], stop=stop) as responses:
        network(images)
    for n, image in enumerate(images.numpy()):
        conv1 = sliding_conv(image, network.conv1)
        assert (conv1 < 0).any()  # else the in-place ReLU would change nothing
        assert (responses["conv1"][n].numpy() == conv1).all()
        assert (responses["relu"][n].numpy() == conv1.clip(min=0)).all()
        assert (responses["conv2"][n].numpy() == sliding_conv(conv1.clip(min=0), network.conv2)).all()
    assert not any(response.requires_grad for response in responses.values())


def test_read_is_called_at_once_with_the_layers_name():
    network, images = chain(), whole_numbers(2, 2, 5, 6)
    lowest = []

    def read(layer, output):
        lowest.append((layer, output.min().item()))
        return 7

    with capture(network, ["conv1"], read) as responses:
        network(images)
    expected = min(sliding_conv(image, network.conv1).min() for image in images.numpy())
    assert lowest == [("conv1", expected)]
    assert expected < 0
    assert responses == {"conv1": 7}


def test_scores_are_unchanged_without_stop():
    network, images = chain(), whole_numbers(2, 2, 5, 6)
    expected = network(images)
    with capture(network, ["conv1", "fc"]) as responses:
        assert torch.equal(network(images), expected)
    assert torch.equal(responses["fc"], expected)


@pytest.mark.parametrize("stop", [False, True])
def test_a_second_forward_in_the_same_block(stop):
    network = chain()
    first, second = whole_numbers(2, 2, 5, 6, seed=1), whole_numbers(4, 2, 5, 6, seed=2)
    with capture(network, ["conv1", "conv2"], stop=stop) as responses:
        for images in (first, second, first):
            network(images)
            conv1 = F.conv2d(images, network.conv1.weight, network.conv1.bias, padding=1)
            conv2 = F.conv2d(conv1.relu(), network.conv2.weight, network.conv2.bias, stride=2)
            assert torch.equal(responses["conv1"], conv1)
            assert torch.equal(responses["conv2"], conv2)


@pytest.mark.parametrize("stop", [False, True])
def test_forward_works_again_in_the_block_after_a_failed_one(stop):
    network, images = chain(RuntimeError("burst")), whole_numbers(2, 2, 5, 6)
    with capture(network, ["conv1", "fc"], stop=stop) as responses:
        with pytest.raises(RuntimeError, match="burst"):
            network(images)
        network.gate.error = None
        network(images)
    assert torch.equal(responses["fc"], network(images))


def test_responses_come_in_the_order_of_the_forward_pass():
    network, images = chain(), whole_numbers(2, 2, 5, 6).requires_grad_()
    responses = responses_to(network, images, ["fc", "conv2", "conv1", "fc"])
    assert list(responses) == ["conv1", "conv2", "fc"]
    assert torch.equal(responses["fc"], network(images))
    assert network.gate.saw_gradients is True
    responses_to(network, images, ["fc"])
    assert network.gate.saw_gradients is False


def test_unknown_layer_is_named():
    network = chain()
    before = traces(network)
    with pytest.raises(ReceptiveError, match="conv9"), capture(network, ["conv1", "conv9"]):
        pass
    assert traces(network) == before


# How far the network runs


def test_stop_runs_no_deeper_than_the_last_layer_asked_for():
    network, images = chain(AssertionError("too deep")), whole_numbers(2, 2, 5, 6)
    responses = responses_to(network, images, ["conv2", "conv1", "conv2"])
    assert list(responses) == ["conv1", "conv2"]
    assert network.gate.calls == 0
    with capture(network, ["conv2"], stop=True):
        assert network(images) is None
    with pytest.raises(AssertionError, match="too deep"), capture(network, ["conv2"]):
        network(images)
    with pytest.raises(AssertionError, match="too deep"):
        responses_to(network, images, ["conv1", "fc"])


@pytest.mark.parametrize("network", [chain(), nn.Conv2d(2, 3, 3)], ids=["chain", "one layer"])
def test_the_network_itself_is_a_layer_too(network):
    images = whole_numbers(2, 2, 5, 6)
    expected = network(images)
    responses = responses_to(network, images, [""])
    assert list(responses) == [""]
    assert torch.equal(responses[""], expected)


def test_no_layers_at_all():
    network, images = chain(), whole_numbers(2, 2, 5, 6)
    before = traces(network)
    with capture(network, [], stop=True) as responses:
        assert torch.equal(network(images), network(images))
    assert responses == {}
    assert traces(network) == before


# What is left behind


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("stop", [False, True])
@pytest.mark.parametrize("end", ["success", "unused", "module", "interrupt", "interrupt in read", "block"])
def test_nothing_is_left_behind(end, stop, training):
    network, images = chain(), whole_numbers(2, 2, 5, 6)
    network.conv1.train(training)  # a mode of its own in one layer
    before, weights = traces(network), copy.deepcopy(network.state_dict())

    def read(layer, output):
        if end == "interrupt in read" and layer == "fc":
            raise KeyboardInterrupt
        return output.clone()

    error = {"module": RuntimeError("burst"), "interrupt": KeyboardInterrupt(), "block": ValueError("block")}.get(end)
    expected = {"interrupt in read": KeyboardInterrupt}.get(end, type(error))

    def use():
        with capture(network, ["conv1", "relu", "fc"], read, stop=stop):
            assert len(network.conv1._forward_hooks) == 1
            if end == "unused":
                return
            network.gate.error = error if end in ("module", "interrupt") else None
            network(images)
            if end == "block":
                raise error

    if end in ("success", "unused"):
        use()
    else:
        with pytest.raises(expected):
            use()
    assert traces(network) == before
    assert "forward" not in network.__dict__
    assert_same_weights(network, weights)
    network.gate.error = None
    assert network(images).shape == (2, 4)


@pytest.mark.parametrize("stop", [False, True])
def test_foreign_hooks_stay(stop):
    network, images, seen = chain(), whole_numbers(2, 2, 5, 6), []
    network.conv1.register_forward_hook(lambda module, inputs, output: seen.append(1))
    before = traces(network)
    with capture(network, ["conv1"], stop=stop):
        network(images)
    assert traces(network) == before
    network(images)
    assert len(seen) == 2


@pytest.mark.parametrize("error", [None, KeyboardInterrupt()])
def test_an_instance_level_forward_is_used_and_restored(error):
    network, images, calls = chain(), whole_numbers(2, 2, 5, 6), []
    plain = network.forward

    def own(x):
        calls.append(len(x))
        return plain(2 * x)

    network.forward = own
    network.gate.error = error
    try:
        with capture(network, ["conv1", "fc"], stop=True) as responses:
            network(images)
    except KeyboardInterrupt:
        pass
    assert calls == [2]
    assert network.__dict__["forward"] is own
    conv1 = F.conv2d(2 * images, network.conv1.weight, network.conv1.bias, padding=1)
    assert torch.equal(responses["conv1"], conv1)


def test_blocks_may_be_nested():
    network, images = chain(), whole_numbers(2, 2, 5, 6)
    before = traces(network)
    with capture(network, ["conv1"]) as outer, capture(network, ["conv2"], stop=True) as inner:
        network(images)
    assert list(outer) == ["conv1"]
    assert list(inner) == ["conv2"]
    assert traces(network) == before


# The faster copy


def sites(network):
    """The names of every rectification, pool and fully connected layer."""
    kinds = nn.ReLU | nn.MaxPool2d | nn.AdaptiveAvgPool2d | nn.Linear
    return [name for name, module in network.named_modules() if isinstance(module, kinds)]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ["resnet18", "plainnet18", "fivecnn"])
def test_for_inference_computes_the_same_responses(name, training):
    torch.manual_seed(0)
    network = with_random_statistics(build(name, classes=5, image_size=64, width=0.125)).double().train(training)
    images = noise(3, 3, 64, 64, dtype=torch.float64)
    before, weights = traces(network), copy.deepcopy(network.state_dict())
    expected = responses_to(copy.deepcopy(network).eval(), images, sites(network))

    fast = for_inference(network)
    got = responses_to(fast, images, sites(network))
    assert list(got) == list(expected)
    for layer, response in expected.items():
        assert response.std() > 0
        # float64 over 20 layers: measured against the layer's greatest response
        torch.testing.assert_close(got[layer], response, rtol=0, atol=1e-11 * float(response.abs().max()))
    assert not any(module.training for module in fast.modules())
    assert traces(network) == before
    assert_same_weights(network, weights)


def test_for_inference_folds_batch_norms_and_shares_no_weights():
    network = with_random_statistics(build("resnet18", classes=5, width=0.125))
    fast = for_inference(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    assert sum(isinstance(module, nn.BatchNorm2d) for module in network.modules()) == 20
    assert not {p.data_ptr() for p in network.parameters()} & {p.data_ptr() for p in fast.parameters()}
    # equation 14 of Jacob et al., for the first convolution
    scale = network.bn1.weight / (network.bn1.running_var + network.bn1.eps).sqrt()
    torch.testing.assert_close(fast.conv1.weight.detach(), (network.conv1.weight * scale[:, None, None, None]).detach())
    assert fast.conv1.weight.is_contiguous(memory_format=torch.channels_last)


def test_what_is_lost_where_tracing_fails_is_logged_once_and_names_the_network(caplog):
    for call, lost in (
        (lambda: for_inference(Untraceable()), "its batch norms are not folded"),
        (lambda: outputs_of(Untraceable(), ["conv"]), "its layers are read by hooks"),
    ):
        caplog.clear()
        call()
        (record,) = caplog.records
        assert record.levelname == "WARNING"
        assert record.name == "receptive.methods.capture"
        assert record.getMessage().startswith("Untraceable cannot be traced (")
        assert lost in record.getMessage()
        assert "\n" not in record.getMessage()
    caplog.clear()
    for_inference(chain())
    assert outputs_of(chain(), ["conv2"]) is None  # something works in place: hooks are the rule, not a loss
    assert not caplog.records


@pytest.mark.parametrize("sign", [1, -1])
def test_for_inference_of_an_untraceable_network(sign):
    network = with_random_statistics(Untraceable())
    before, weights = traces(network), copy.deepcopy(network.state_dict())
    images = sign * noise(4, 2, 6, 6).abs()
    fast = for_inference(network)
    assert type(fast) is Untraceable
    assert not any(module.training for module in fast.modules())
    got = responses_to(fast, images, ["conv", "bn"])
    conv = F.conv2d(-images.abs(), network.conv.weight, network.conv.bias)
    bn = F.batch_norm(conv, network.bn.running_mean, network.bn.running_var, network.bn.weight, network.bn.bias)
    torch.testing.assert_close(got["conv"], conv.detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(got["bn"], bn.detach(), rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(fast(images), got["bn"], rtol=1e-6, atol=1e-6)  # no dropout
    assert traces(network) == before
    assert_same_weights(network, weights)
