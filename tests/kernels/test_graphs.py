"""CUDA graphs without a GPU: what is fed to a recording, taken from it, and padded. A stand-in replays into fixed tensors."""

import copy
import warnings

import numpy as np
import pytest
import torch

from codec.stream import StreamDecoder
from tests.codec.test_model import tiny
from tests.tts.conftest import build, make_batch
from vocoder.nn import graphs
from vocoder.nn.graphs import Graphed


@pytest.fixture
def recorded(monkeypatch):
    """Recordings are made on this device; the list of the shapes that were recorded."""
    shapes = []

    def capture(recording, function):
        outputs = function(*recording.inputs)
        shapes.append([None if x is None else tuple(x.shape) for x in recording.inputs])
        parts = outputs if isinstance(outputs, tuple) else (outputs,)

        def replay():
            anew = function(*recording.inputs)
            for mine, value in zip(parts, anew if isinstance(anew, tuple) else (anew,), strict=True):
                mine.copy_(value)

        return replay, outputs

    monkeypatch.setattr(graphs.Recording, "capture", capture)
    monkeypatch.setattr(graphs, "usable", lambda *given: not torch.is_grad_enabled())
    return shapes


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def running_sum(x, scale, nothing, mask):
    assert nothing is None
    return x.cumsum(1) * scale, mask.float()


@torch.no_grad()
def test_replays_give_what_calls_give_and_keep_what_they_gave(recorded):
    graphed = Graphed(running_sum, padded=(0, 3), lengths=(4, 8))
    made = []
    for seed, size in enumerate((3, 4, 2, 7, 5, 8, 9, 9)):
        given = normal(2, size, 3, seed=seed), normal(3, seed=seed), None, normal(2, size, seed=seed) > 0
        made.append((graphed(*given), running_sum(*given)))
    assert all(torch.equal(a, b) for found, expected in made for a, b in zip(found, expected, strict=True))
    assert recorded == [[(2, size, 3), (3,), None, (2, size)] for size in (4, 8)]  # at the second call; 9 is too long
    graphed.prewarm(normal(5, 1, 3), normal(3), None, torch.ones(5, 1, dtype=torch.bool))
    assert recorded[2:] == [[(5, 4, 3), (3,), None, (5, 4)]]


@torch.no_grad()
def test_only_so_many_are_recorded_and_copies_record_their_own(recorded):
    graphed = Graphed(lambda x: x + 1)
    for size in range(1, 13):
        for _ in range(3):
            assert torch.equal(graphed(torch.zeros(size)), torch.ones(size))
    assert len(recorded) == graphs.LIMIT
    copied = copy.deepcopy(graphed)
    for _ in range(2):
        copied(torch.zeros(1))
    assert len(recorded) == graphs.LIMIT + 1


@torch.no_grad()
def test_what_cannot_be_recorded_is_called_with_one_warning(recorded, monkeypatch):
    def refuse(recording, function):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(graphs.Recording, "capture", refuse)
    graphed = Graphed(torch.neg)
    graphed(torch.ones(2))
    with pytest.warns(RuntimeWarning, match="no CUDA graph of .*neg.*: operation not permitted"):
        assert torch.equal(graphed(torch.ones(2)), -torch.ones(2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(graphed(torch.ones(2)), -torch.ones(2))


def test_without_a_gpu_and_where_autograd_watches_functions_are_called(monkeypatch):
    monkeypatch.setattr(graphs, "Recording", None)
    graphed, x = Graphed(lambda x: x * 2, padded=(0,)), torch.ones(1, 3, requires_grad=True)
    for _ in range(3):
        assert graphed(x).shape == (1, 3)
    graphed(x).sum().backward()
    assert torch.equal(x.grad, torch.full((1, 3), 2.0))
    with torch.no_grad():
        assert torch.equal(graphed(x), x * 2) and torch.equal(graphed(x), x * 2)


@torch.no_grad()
@pytest.mark.parametrize("guidance", [0.0, 0.7])
@pytest.mark.parametrize("kind", ["flow", "infill"])
def test_padding_of_a_sampler_reaches_no_frame(kind, guidance, recorded):
    model, x = build(kind), normal(2, 50, 100, seed=1)
    with torch.random.fork_rng():
        given = model.given(make_batch())
    expected = model.solve(x, given, steps=2, guidance=guidance)
    found = model.solve(x, given, steps=2, guidance=guidance)
    assert len(recorded) == 1 and recorded[0][0] == (2, 128, 100)
    mask = given[-3]
    assert not mask.all() and torch.allclose(found[mask], expected[mask], rtol=0, atol=1e-5) and found.shape == expected.shape
    assert (found - x)[mask].abs().max() > 0.1  # it moves


def test_a_stream_by_graphs_gives_the_samples_of_one_without(recorded, monkeypatch):
    model = tiny().eval()
    codes = np.random.default_rng(0).integers(0, 32, (8, 120)).astype(np.int16)

    def stream():
        decoder = StreamDecoder(model, chunk=8)
        pieces = [decoder.push(codes[:, t : t + 8]) for t in range(0, 120, 8)]
        steady = len(recorded)
        return np.concatenate([*pieces, decoder.flush()]), steady

    by_graphs, steady = stream()
    assert steady == 2  # the window of the codes, and that of the vocoder
    monkeypatch.setattr(graphs, "usable", lambda *given: False)
    assert np.array_equal(by_graphs, stream()[0]) and np.abs(by_graphs).max() > 1e-4
