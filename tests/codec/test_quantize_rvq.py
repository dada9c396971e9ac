"""Books of running means, where the usual code errs: gradient, dead codes, starvation, the weight of blocks, padding."""

import os
import subprocess
import sys

import pytest
import torch

from codec.quantize.clusters import kmeans, nearest
from codec.quantize.ema import DECAY, EmaBook

both = pytest.mark.parametrize("kind", ["rvq", "mcrvq"])

DIM = 24


@both
@pytest.mark.parametrize("n_q", range(3, 9))
def test_the_gradient_is_the_identity_for_any_number_of_stages(kind, n_q, latents, fitted, generator):
    """An estimator a stage multiplies it by n_q, or by n_q - 2 behind product stages."""
    upstream = torch.randn(latents.shape, generator=generator(0))
    latents.requires_grad_()
    fitted(kind).train()(latents, n_q).quantized.backward(upstream)
    assert torch.equal(latents.grad, upstream)


@both
def test_commitment_is_the_mean_over_frames_stages_and_the_channels_of_a_block(kind, latents, fitted):
    quantizer = fitted(kind).eval()
    n_q = torch.tensor([3, 8] * 4)
    latents.requires_grad_()
    out = quantizer(latents, n_q)
    terms = []
    for b in range(8):
        for q in range(int(n_q[b])):
            start, width = quantizer.config.blocks[q]
            left = latents[b] - quantizer.decode(out.codes[b : b + 1, : q + 1])[0]
            terms.append(left[:, start : start + width].square().mean())
    expected = torch.stack(terms).mean()
    assert torch.allclose(out.losses["commitment"], expected, rtol=1e-5)
    grads = [torch.autograd.grad(loss, latents)[0] for loss in (out.losses["commitment"], expected)]
    assert torch.allclose(*grads, rtol=1e-4, atol=1e-8)


def test_a_book_follows_the_running_means():
    book = EmaBook(3, 2)
    book.vectors.copy_(torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]]))
    book.start_learning()
    rows, codes = torch.tensor([[1.0, 1.0], [3.0, 1.0], [5.0, 1.0]]), torch.tensor([0, 1, 1])
    book.update(rows, codes)
    keep, add = DECAY, 1 - DECAY
    expected = torch.tensor([[add, add], [keep * 4 + add * 8, add * 2], [0, keep * 4]])
    expected /= torch.tensor([keep + add, keep + 2 * add, keep])[:, None]
    assert torch.allclose(book.vectors, expected)


def test_dead_codes_are_replaced_and_stay_replaced(generator):
    """The usual code overwrites the new vectors in the same step: half of these codes would lie idle for a thousand steps."""
    book = EmaBook(64, 8)
    rows = torch.randn(1000, 8, generator=generator(0))
    book.vectors.copy_(rows[:64])
    book.vectors[32:] += 1000.0
    book.start_learning(torch.cat((torch.ones(32), torch.full((32,), 0.05))))
    for step in range(30):
        assert step < 5 or book.vectors.abs().max() < 10
        assert step > 4 or (book.vectors[32:] > 900).all()  # the check is every fifth step
        book.update(rows, nearest(rows, book.vectors), generator(step))
    counts = torch.bincount(nearest(rows, book.vectors), minlength=64)
    assert (counts > 0).all()
    assert (book.ema_usage > 0.1 * book.ema_usage.mean()).all()


def test_a_code_that_nothing_falls_to_does_not_sink_to_the_origin():
    book = EmaBook(2, 2)
    book.vectors.copy_(torch.tensor([[1.0, 1.0], [9.0, 9.0]]))
    book.start_learning()
    nothing = torch.empty(0, 2), torch.empty(0, dtype=torch.int64)
    for _ in range(3000):  # usage falls below any floor
        book.update(*nothing)
    assert torch.allclose(book.vectors, torch.tensor([[1.0, 1.0], [9.0, 9.0]]), rtol=1e-3)


@both
def test_books_follow_latents_that_drift(kind, fitted, sample, generator):
    quantizer = fitted(kind).train()
    far = torch.full((DIM,), 30.0)
    for step in range(150):
        batch = sample(256, seed=100 + step).view(8, 32, DIM) + far * min(1, step / 100)
        out = quantizer(batch, generator=generator(step))
    assert (out.usage["perplexity"] > 20).all()
    moved = sample(320, seed=3).view(8, 40, DIM) + far
    error = (quantizer.decode(quantizer.encode(moved)) - moved).square().mean()
    assert error < 0.4 * sample(320, seed=3).square().mean()


def test_a_frame_that_is_not_finite_spoils_no_book(latents, fitted):
    quantizer = fitted("mcrvq").train()
    latents[2, 3, 5] = float("nan")
    latents[0, 0, 20] = float("inf")
    quantizer(latents)
    assert all(value.isfinite().all() for value in quantizer.state_dict().values())


@both
def test_books_stand_still_unless_they_learn(kind, latents, fitted):
    quantizer = fitted(kind).eval()
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    quantizer(latents)
    assert all(torch.equal(value, before[name]) for name, value in quantizer.state_dict().items())
    quantizer.train().stop_learning()
    quantizer(latents)
    assert all(torch.equal(value, before[name]) for name, value in quantizer.state_dict().items())
    quantizer.start_learning()
    quantizer(latents)
    assert not torch.equal(quantizer.books[0].vectors, before["books.0.vectors"])


@both
def test_training_resumes_to_the_bit(kind, latents, fitted, make, generator):
    quantizer, other = fitted(kind).train(), make(kind).train()
    for step in range(13):
        if step == 7:
            other.start_learning()
            other.load_state_dict(quantizer.state_dict())
        quantizer(latents + step, generator=generator(step))
        if step >= 7:
            other(latents + step, generator=generator(step))
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in quantizer.state_dict().items())


def test_the_layout_for_the_search_is_made_anew_when_a_book_changes(latents, fitted):
    quantizer = fitted("rvq").eval()
    codes, layout = quantizer.encode(latents), quantizer.packed()
    assert quantizer.packed() is layout
    with torch.no_grad():
        quantizer.books[0].vectors.copy_(quantizer.books[0].vectors.flip(0))
    assert torch.equal(quantizer.encode(latents)[:, 0], 63 - codes[:, 0])
    state = {name: value.clone() for name, value in quantizer.state_dict().items()}
    state["books.0.vectors"] = state["books.0.vectors"].flip(0)
    quantizer.load_state_dict(state)
    assert torch.equal(quantizer.encode(latents), codes)
    with torch.inference_mode():
        assert torch.equal(quantizer.encode(latents), codes)


def test_kmeans_finds_clusters_and_fills_empty_ones(generator):
    centres = torch.randn(16, 6, generator=generator(0)) * 10
    rows = centres[torch.randint(16, (4000,), generator=generator(1))] + 0.1 * torch.randn(4000, 6, generator=generator(2))
    vectors = kmeans(rows, 32, generator(3))
    distance = torch.cdist(rows, vectors).amin(1)
    assert distance.max() < 1 and (torch.bincount(nearest(rows, vectors), minlength=32) > 0).all()
    silence = torch.cat((torch.zeros(3000, 6), rows[:1000]))  # most draws are the same vector
    assert (torch.bincount(nearest(silence, kmeans(silence, 32, generator(4))), minlength=32) > 0).sum() > 24


def test_kmeans_in_many_dimensions_has_no_code_that_takes_all(generator):
    rows = torch.randn(2000, 150, generator=generator(0))
    counts = torch.bincount(nearest(rows, kmeans(rows, 64, generator(1))), minlength=64)
    assert counts.max() < 6 * 2000 / 64 and (counts > 0).sum() > 60


def test_two_processes_learn_what_one_would(tmp_path, fitted, sample, generator):
    script = """
import sys, torch, torch.distributed as dist
from codec.quantize import quantizer_classes
rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
data = torch.load(f"{folder}/data.pt", weights_only=True)
Mcrvq, McrvqConfig = quantizer_classes("mcrvq")
quantizer = Mcrvq(McrvqConfig(dim=24, codebook_size=64)).train()
quantizer.initialise(data["start"] * (1 + rank), torch.Generator().manual_seed(2 + rank))
for step, batch in enumerate(data["batches"]):
    quantizer(batch[4 * rank : 4 * rank + 4], 8, generator=torch.Generator().manual_seed(step + 100 * rank))
    if step in (3, 5):
        torch.save(quantizer.state_dict(), f"{folder}/{rank}-{step}.pt")
dist.destroy_process_group()
"""
    batches = [sample(320, seed=10 + step).view(8, 40, DIM) for step in range(6)]
    torch.save({"start": sample(2000, seed=1), "batches": torch.stack(batches)}, tmp_path / "data.pt")
    env = dict(os.environ, OMP_NUM_THREADS="1")
    ranks = [subprocess.Popen([sys.executable, "-c", script, str(rank), str(tmp_path)], env=env) for rank in range(2)]
    assert [process.wait(120) for process in ranks] == [0, 0]
    states = {name: torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("0-3", "1-3", "0-5", "1-5")}
    assert all(torch.equal(states["0-5"][name], states["1-5"][name]) for name in states["0-5"])  # dead codes are replaced alike
    alone = fitted("mcrvq").train()
    for step in range(4):  # later, dead codes draw from the batch of rank 0
        alone(batches[step], 8, generator=generator(step))
    assert all(torch.allclose(states["0-3"][name], value, atol=1e-5) for name, value in alone.state_dict().items())
