"""The aligner: its prior, its losses, and the durations it finds - planted ones, on the terms of pauses."""

import numpy as np
import pytest
import torch

from tts.aligner import (
    N_MARKS,
    SHORTEST_PAUSE,
    Aligner,
    AlignerConfig,
    AlignerModel,
    aligner_losses,
    beta_binomial_log_prior,
    collapse,
    forward_sum_loss,
    may_be_silent,
    pause_prior,
    token_of_frame,
)
from tts.base.errors import DataError
from vocoder.nn.masks import length_mask

N_SYMBOLS = 14


@pytest.fixture(scope="module")
def model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = AlignerConfig(n_symbols=N_SYMBOLS, dim=16, hidden=32, n_blocks=1, text_dim=12, key_dim=8)
        return AlignerModel(config).eval()


def spoken(rng, n_phones=8):
    """(ids, durations, mel): every phone has a spectrum of its own, silence is quiet, word boundaries take no frame."""
    ids = rng.integers(N_MARKS, N_SYMBOLS, n_phones)
    ids[1:] = np.where(ids[1:] == ids[:-1], N_MARKS + (ids[1:] - N_MARKS + 1) % (N_SYMBOLS - N_MARKS), ids[1:])
    ids = np.concatenate([[1], ids[: n_phones // 2], [2], ids[n_phones // 2 :], [1]])
    durations = np.where(ids == 1, 6, np.where(ids == 2, 0, rng.integers(4, 9, len(ids))))
    spectra = np.random.default_rng(1).standard_normal((N_SYMBOLS, 100)) * 1.5 - 4
    spectra[:N_MARKS] = -10
    mel = spectra[np.repeat(ids, durations)] + 0.3 * rng.standard_normal((durations.sum(), 100))
    return ids, durations, torch.from_numpy(mel.astype(np.float32))


def batch_of(items):
    size, n_frames, n_tokens = len(items), max(len(mel) for _, _, mel in items), max(len(ids) for ids, _, _ in items)
    batch = {"mel": torch.full((size, n_frames, 100), -11.5), "ids": torch.zeros(size, n_tokens, dtype=torch.long)}
    batch["prior"], batch["phones"] = torch.full((size, n_frames, n_tokens), -20.0), torch.zeros(size, n_tokens, dtype=torch.long)
    for i, (ids, _, mel) in enumerate(items):
        tokens, phones = torch.from_numpy(ids), torch.from_numpy(ids[ids >= N_MARKS])
        batch["mel"][i, : len(mel)], batch["ids"][i, : len(ids)], batch["phones"][i, : len(phones)] = mel, tokens, phones
        batch["prior"][i, : len(mel), : len(ids)] = beta_binomial_log_prior(len(ids), len(mel)).clamp(min=-20)
    batch["frame_lengths"] = torch.tensor([len(mel) for _, _, mel in items])
    batch["text_lengths"] = torch.tensor([len(ids) for ids, _, _ in items])
    batch["phone_lengths"] = torch.tensor([(ids >= N_MARKS).sum() for ids, _, _ in items])
    return batch


@pytest.mark.parametrize(("n", "t"), [(1, 1), (1, 7), (2, 3), (5, 40), (30, 200)])
def test_every_row_of_the_prior_is_a_distribution(n, t):
    prior = beta_binomial_log_prior(n, t)
    assert prior.shape == (t, n) and torch.isfinite(prior).all()
    assert prior.exp().sum(1).tolist() == pytest.approx([1.0] * t, abs=1e-4)


def test_the_prior_runs_along_the_diagonal_and_is_symmetric():
    prior = beta_binomial_log_prior(10, 50)
    best = prior.argmax(1)
    assert best[0] == 0 and best[-1] == 9 and (best.diff() >= 0).all()
    assert torch.allclose(prior, prior.flip(0, 1), atol=1e-4)
    mean = (prior.exp() * torch.arange(10)).sum(1)  # of a beta-binomial: (N - 1) t / (T + 1)
    assert mean.tolist() == pytest.approx([9 * t / 51 for t in range(1, 51)], abs=1e-3)


def test_pauses_are_ruled_out_where_it_is_loud_only():
    mel = torch.full((20, 100), -9.0)
    mel[8:14] = -3.0
    prior = pause_prior(mel, torch.tensor([1, 9, 2, 10, 1]))
    assert (prior[8:14][:, [0, 2, 4]] == -30).all()
    prior[8:14, [0, 2, 4]] = 0
    assert (prior == 0).all()


def test_frames_know_their_token():
    durations = torch.tensor([[2, 0, 3, 1], [1, 2, 0, 0]])
    assert token_of_frame(durations, 6)[0].tolist() == [0, 0, 2, 2, 2, 3]
    assert token_of_frame(durations, 6)[1, :3].tolist() == [0, 1, 1]
    assert token_of_frame(durations, 6)[1, 3:].tolist() == [3, 3, 3]  # behind the end: padding


def test_repeats_and_blanks_collapse():
    assert collapse([0, 3, 3, 0, 3, 5, 5, 0, 0, 7]) == [3, 3, 5, 7]
    assert collapse([4, 4]) == [4] and collapse([0, 0]) == [] and collapse([]) == []


def test_the_sum_over_alignments_is_the_sum_over_alignments():
    """Three frames, two tokens, no prior: CTC over (blank, 1, 2), counted by hand."""
    log_p = torch.log(torch.tensor([[[0.7, 0.3], [0.4, 0.6], [0.1, 0.9]]]))
    p = torch.cat([torch.full((3, 1), -1.0), log_p[0]], 1).softmax(1)
    paths = [(0, 1, 2), (1, 0, 2), (1, 2, 0), (1, 1, 2), (1, 2, 2)]
    total = sum(p[0, a] * p[1, b] * p[2, c] for a, b, c in paths)
    loss = forward_sum_loss(log_p, torch.tensor([2]), torch.tensor([3]))
    assert float(loss) == pytest.approx(float(-total.log() / 3), rel=1e-4)


def test_gradients_reach_every_parameter_and_losses_have_their_names(model):
    rng = np.random.default_rng(2)
    batch = batch_of([spoken(rng), spoken(rng, 6)])
    assert set(aligner_losses(model, batch, 0.0)) == {"forward_sum", "ctc"}
    losses = aligner_losses(model, batch, 0.5)
    assert set(losses) == {"forward_sum", "ctc", "binarisation"}
    assert all(torch.isfinite(loss) and loss > 0 for loss in losses.values())
    sum(losses.values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all() and parameter.grad.abs().sum() > 0, name
    model.zero_grad()


def test_padding_never_changes_what_is_heard(model):
    rng = np.random.default_rng(3)
    long, short = spoken(rng, 10), spoken(rng, 5)
    batch = batch_of([long, short])
    n = len(short[2])
    batch["mel"][1, n:] = 30.0
    with torch.inference_mode():
        together = model(batch["mel"], length_mask(batch["frame_lengths"]))
        alone = model(short[2][None], torch.ones(1, n, dtype=torch.bool))
    assert torch.allclose(together[1, :n], alone[0], atol=1e-4)
    assert together.exp().sum(-1).flatten().tolist() == pytest.approx([1.0] * together.shape[0] * together.shape[1], abs=1e-4)


def planted(model, monkeypatch, durations, strength=4.0):
    """An aligner whose attention is the given alignment, plus noise."""
    token = np.repeat(np.arange(len(durations)), durations)
    scores = torch.from_numpy(np.random.default_rng(0).standard_normal((1, len(token), len(durations))).astype(np.float32))
    scores[0, np.arange(len(token)), token] += strength
    monkeypatch.setattr(model, "log_attention", lambda *_: scores.log_softmax(-1))
    return Aligner(model, {}), torch.zeros(len(token), 100)


def test_a_planted_alignment_is_recovered(model, monkeypatch):
    ids, durations = [1, 8, 9, 2, 10, 3, 11, 12, 1], [5, 3, 1, 0, 7, 6, 2, 4, 5]
    found, surety = planted(model, monkeypatch, durations, 8.0)[0].align_mel(torch.zeros(33, 100), ids)
    assert found.tolist() == durations
    assert -1.0 < surety <= 0.0


def test_a_pause_of_less_than_four_frames_goes_to_its_neighbours_but_edges_stay(model, monkeypatch):
    ids = [1, 8, 2, 9, 3, 10, 1]
    aligner, mel = planted(model, monkeypatch, [2, 5, SHORTEST_PAUSE - 1, 5, SHORTEST_PAUSE, 5, 1], 8.0)
    found, surety = aligner.align_mel(mel, ids)
    assert found[2] == 0 and found[4] == SHORTEST_PAUSE and found.sum() == len(mel)
    assert found[0] == 2 and found[-1] == 1 and found[1] + found[3] == 13
    assert surety > -10


@pytest.mark.parametrize("ids", [[], [N_SYMBOLS], [-1, 3]])
def test_ids_outside_the_inventory_are_refused(model, ids):
    with pytest.raises(DataError, match=r"one or more of 0 to 13"):
        Aligner(model, {}).align_mel(torch.zeros(10, 100), ids)


def test_too_little_audio_for_the_text_is_refused_and_just_enough_is_not(model):
    ids = [1, 8, 9, 2, 10, 1]  # pauses may be absent: three phones need three frames
    aligner = Aligner(model, {})
    with pytest.raises(DataError, match="2 frames of audio cannot hold 6 phones") as caught:
        aligner.align_mel(torch.randn(2, 100), ids)
    assert caught.value.code == "align.too_short"
    found, _ = aligner.align_mel(torch.randn(3, 100), ids)
    assert found.sum() == 3 and all(found[[1, 2, 4]] == 1)


def test_marks_may_be_silent_and_phones_may_not():
    from frontend import inventory

    ids = torch.arange(inventory.size())
    assert [inventory.kind(int(i)) in ("special", "mark") for i in ids] == may_be_silent(ids).tolist()
