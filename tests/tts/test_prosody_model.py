"""Prosody models: stepping equals looking at all at once, chance comes from the generator alone, given codes are kept."""

import pytest
import torch

from tts.base.errors import DataError
from tts.models.prosody import OPEN, Prompt, ProsodyModel, ProsodyModelConfig, Sampled, shifted, two_sided

K = 20


def model(form, **changes):
    torch.manual_seed(0)
    config = ProsodyModelConfig(codebook_size=K, content_dim=8, style_dim=4, form=form, dim=16, hidden=32, n_layers=2, n_heads=2,
                                **changes)  # fmt: skip
    return ProsodyModel(config).eval()


@pytest.fixture(params=["causal", "masked"])
def either(request):
    return model(request.param)


def said(n=12, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 8, generator=generator), torch.randn(4, generator=generator)


def drawn(seed=3):
    return torch.Generator().manual_seed(seed)


def test_stepping_with_kept_keys_is_the_whole_sequence_at_once():
    net = model("causal")
    content, style = said()
    prompt = Prompt(said(7, 2)[0], torch.arange(7), torch.rand(7))
    sampled = net.sample(content, style, prompt=prompt, generator=drawn())
    codes = torch.cat([prompt.codes, sampled.codes[0]])[None]
    first = torch.zeros(1, 19, dtype=torch.bool)
    first[0, [0, 7]] = True
    times = torch.cat([prompt.log_durations, sampled.log_durations[0]])[None]
    with torch.no_grad():
        x = net.embed(torch.cat([prompt.content, content])[None], shifted(codes, first, net.start), style[None],
                      shifted(times, first, 0.0))  # fmt: skip
        for layer in net.layers:
            x = layer(x, torch.ones(19, 19, dtype=torch.bool).tril()[None, None])
        log_p = net.out(net.norm(x)).log_softmax(-1).gather(2, codes[..., None])[0, 7:, 0]
    torch.testing.assert_close(sampled.log_p[0], log_p, atol=1e-5, rtol=0)


def test_the_same_generator_draws_the_same_and_the_global_one_is_left_alone(either):
    content, style = said()
    state = torch.get_rng_state()
    one, two = (either.sample(content, style, n=3, generator=drawn()) for _ in range(2))
    assert torch.equal(one.codes, two.codes) and torch.equal(one.log_p, two.log_p)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(one.codes, either.sample(content, style, n=3, generator=drawn(4)).codes)
    assert len({tuple(row.tolist()) for row in one.codes}) > 1  # draws differ


def test_given_codes_are_kept_and_the_others_found(either):
    content, style = said()
    known = torch.arange(12) % K
    known[4:7] = OPEN
    sampled = either.sample(content, style, n=2, known=known, generator=drawn())
    kept = known != OPEN
    assert torch.equal(sampled.codes[:, kept], known[kept].expand(2, -1))
    assert ((sampled.codes[:, ~kept] >= 0) & (sampled.codes[:, ~kept] <= K)).all()
    assert (sampled.log_p <= 0).all() and sampled.log_p.isfinite().all()


def test_only_phones_that_may_be_silent_take_no_time(either):
    content, style = said(40)
    with torch.no_grad():
        either.out.bias[K] = 50.0  # it wants to be silent everywhere
    silent = torch.arange(40) % 3 == 0
    codes = either.sample(content, style, silent=silent, generator=drawn()).codes[0]
    assert (codes[silent] == K).all() and (codes[~silent] < K).all()


def test_greedy_draws_take_the_likeliest(either):
    content, style = said()
    one, two = (either.sample(content, style, top_k=1, generator=drawn(seed)) for seed in (1, 2))
    if either.config.form == "causal":
        assert torch.equal(one.codes, two.codes)


def test_interpolation_goes_from_one_context_to_the_other():
    net = model("causal")
    content, style = said()
    a, b = (Prompt(said(9, seed)[0] * 3, torch.full((9,), seed), torch.ones(9)) for seed in (5, 6))
    only_a, only_b = (net.sample(content, style, prompt=p, top_k=1).codes for p in (a, b))
    assert torch.equal(net.sample(content, style, prompt=a, other=b, strength=0.0, top_k=1).codes, only_a)
    assert torch.equal(net.sample(content, style, prompt=a, other=b, strength=1.0, top_k=1).codes, only_b)
    with pytest.raises(DataError, match="one context"):
        model("masked").sample(content, style, prompt=a, other=b)


def test_sizes_that_do_not_fit_are_refused(either):
    content, style = said()
    with pytest.raises(DataError):
        either.sample(content[:, :5], style)
    with pytest.raises(DataError):
        either.sample(content, style, known=torch.zeros(5, dtype=torch.long))


def test_two_sided_score_counts_the_span_and_what_follows():
    log_p = torch.tensor([[-9.0, -1.0, -2.0, -3.0], [-1.0, -1.0, -2.0, -9.0]])
    sampled = Sampled(torch.zeros(2, 4, dtype=torch.long), log_p, None)
    assert two_sided(sampled, 1, 3).tolist() == [-4.5, -10.5]
    assert two_sided(sampled, 1, 4).tolist() == [-2.0, -4.0]


def batch(net, n=6):
    rng = torch.Generator().manual_seed(0)
    size = torch.randint(5, 15, (n,), generator=rng)
    mask = torch.arange(int(size.max())) < size[:, None]
    codes = torch.randint(0, K + 1, mask.shape, generator=rng)
    first = torch.zeros_like(mask)
    first[:, 0] = True
    return {"content": torch.nn.functional.one_hot(codes % 8, 8).float(), "codes": codes, "first": first, "mask": mask,
            "log_durations": (codes % 8).float() / 4, "style": torch.zeros(n, 4), "context": torch.zeros(mask.shape)}  # fmt: skip


def test_padding_has_no_part_in_the_loss(either):
    given = batch(either)
    changed = dict(given)
    changed["codes"] = torch.where(given["mask"], given["codes"], 3)
    changed["content"] = torch.where(given["mask"][..., None], given["content"], 7.0)
    losses = []
    for each in (given, changed):
        torch.manual_seed(0)
        losses.append(sum(either.loss(each).values()))
    torch.testing.assert_close(*losses)


@pytest.mark.parametrize("form", ["causal", "masked"])
def test_it_learns_codes_that_the_content_tells(form):
    net = model(form, dropout=0.0, noise=0.0).train()
    optimizer, start = torch.optim.AdamW(net.parameters(), lr=5e-3), None
    for step in range(120):
        torch.manual_seed(step)
        loss = sum(net.loss(batch(net)).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        start = start or loss.item()
    assert loss.item() < 0.6 * start
