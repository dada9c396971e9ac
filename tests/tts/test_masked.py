"""Masked-token model: given codes stay, passes are counted, chance is the generator's alone, levels learn what they are asked."""

import pytest
import torch
from torch.nn.functional import pad

from tts.base.errors import DataError, ModelError, UsageError
from tts.models.masked import OPEN, MaskedConfig, MaskedModel, Sampling, draw, hide, still_hidden, surest

K = 12


def build(levels=(2, 1), rows_a_book=1, **changes):
    torch.manual_seed(0)
    sizes = {"dim": 16, "hidden": 24, "n_layers": 2, "n_heads": 2, "code_dim": 8, "dropout": 0.0, "column_dim": 5, "voice_dim": 3}
    model = MaskedModel(MaskedConfig(K, levels, rows_a_book, **(sizes | changes))).eval()
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def given(model, columns=9, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return (torch.full((1, model.config.n_rows, columns), OPEN), torch.randn(1, columns, 5, generator=generator),
            torch.randn(1, 3, generator=generator))  # fmt: skip


def drawn(seed=3):
    return torch.Generator().manual_seed(seed)


def test_the_cosine_schedule_falls_to_nothing():
    for steps in (1, 4, 16):
        left = [still_hidden(100, step, steps) for step in range(1, steps + 1)]
        assert left[-1] == 0 and left == sorted(left, reverse=True)
    assert still_hidden(100, 2, 4) == 70  # cos(pi / 4)
    assert still_hidden(torch.tensor([100, 9, 0]), 2, 4).tolist() == [70, 6, 0]


def test_the_surest_are_shown_and_never_a_given_one():
    hidden = torch.tensor([[True, False, True, True]])
    assert surest(hidden, torch.tensor([[0.1, 9.0, 0.3, 0.2]]), 1).tolist() == [[False, False, True, True]]
    assert surest(hidden, torch.tensor([[0.1, 9.0, 0.3, 0.2]]), torch.tensor([0])).tolist() == [[True, False, True, True]]


def test_codes_are_drawn_from_the_likeliest_alone():
    logits = torch.arange(K).float().expand(2000, K)
    assert set(draw(logits, 5.0, 0.25, drawn()).tolist()) == {9, 10, 11}
    assert set(draw(logits, 0.0, 1.0, drawn()).tolist()) == {11}


@pytest.mark.parametrize("sampling", [Sampling(4), Sampling(1), Sampling(3, guidance=2.0)])
def test_given_codes_stay_and_all_others_are_found(sampling):
    model = build()
    known, columns, voice = given(model)
    known[0, :, :3] = torch.arange(3)  # a prompt
    known[0, 1, 6] = 7  # and a cell alone
    grid = model.sample(known, columns, voice, sampling, drawn())
    fixed = known != OPEN
    assert torch.equal(grid[fixed], known[fixed]) and ((grid >= 0) & (grid < K)).all()


def test_passes_are_counted(monkeypatch):
    model, calls = build((2, 1, 1)), []
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda *given: (calls.append(len(given[0])), forward(*given))[1])
    model.sample(*given(model), Sampling(5), drawn())
    assert calls == [1] * 7  # five of the first level, one of each other
    calls.clear()
    model.sample(*given(model), Sampling(5, guidance=1.0), drawn())
    assert calls == [2] * 7


def test_chance_is_that_of_the_generator_alone():
    model = build()
    state = torch.get_rng_state()
    one, two, other = (model.sample(*given(model, 40), Sampling(4, top_share=0.5), drawn(seed)) for seed in (3, 3, 4))
    assert torch.equal(one, two) and not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)
    greedy = [model.sample(*given(model), Sampling(4, 0.0, 0.0), drawn(seed)) for seed in (3, 4)]
    assert torch.equal(*greedy)


def test_items_of_a_batch_do_not_hear_each_other_and_padding_is_not_heard():
    model = build()
    known, columns, voice = given(model)
    known[0, :, ::2] = 3
    mask = torch.ones(1, 9, dtype=torch.bool)
    alone = model(known, mask, columns, voice)
    longer, mask = pad(known, (0, 4), value=5), torch.arange(13)[None] < 9
    other = torch.where(longer == OPEN, 1, longer)
    columns = pad(columns, (0, 0, 0, 4), value=9.0)
    wide = model(torch.cat([longer, other]), mask.expand(2, -1), columns.expand(2, -1, -1), voice.expand(2, -1))
    torch.testing.assert_close(wide[:1, :9], alone, atol=1e-5, rtol=0)


def test_training_hides_cells_of_one_level_and_all_finer_ones():
    config = MaskedConfig(K, (2, 1, 1))
    grid = torch.randint(0, K, (60, 4, 30))
    grid[:, :, 20:22] = OPEN  # nobody knows
    free = torch.ones_like(grid, dtype=torch.bool)
    free[:, :, :5] = False  # a prompt
    level = torch.arange(60) % 3
    seen, asked = hide(grid, free, level, config)
    own, level = torch.tensor([0, 0, 1, 2])[None, :, None], level[:, None, None]
    assert torch.equal(seen[..., :5], grid[..., :5]) and not asked[..., :5].any() and not asked[..., 20:22].any()
    assert not (asked & (own != level)).any() and (seen[asked] == OPEN).all()
    finer, coarser = (own > level) & free, (own < level) & free
    assert (seen[finer] == OPEN).all() and torch.equal(seen[coarser], grid[coarser])
    assert 0.5 < asked[::3, :2, 5:20].float().mean() < 0.75  # the mean of the cosine is 2 / pi


def test_rows_that_share_a_book_begin_with_its_vectors():
    model = build((4, 2), 2)
    books = [torch.randn(K, 20) for _ in range(3)]
    model.start_from(books)
    own = model.codes.weight.view(3, K + 1, -1)[:, :K]
    for vectors, embedded in zip(books, own, strict=True):
        assert torch.corrcoef(torch.stack([torch.pdist(vectors), torch.pdist(embedded)]))[0, 1] > 0.7
    assert model.first.flatten().tolist() == [0, 0, K + 1, K + 1, 2 * K + 2, 2 * K + 2]


def test_it_learns_codes_that_column_and_coarser_level_tell():
    model = build((1, 1), drop_conditions=0.0).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)

    def batch(seed):
        torch.manual_seed(seed)
        first = torch.randint(0, 5, (16, 1, 20))
        return {"grid": torch.cat([first, (first + 3) % K], 1), "mask": torch.ones(16, 20, dtype=torch.bool),
                "columns": torch.nn.functional.one_hot(first[:, 0], 5).float(), "voice": torch.zeros(16, 3)}  # fmt: skip

    for step in range(80):
        loss = model.loss(batch(step))["codes"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    told = batch(1000)
    found = model.eval().sample(torch.full((16, 2, 20), OPEN), told["columns"], told["voice"], Sampling(4), drawn())
    assert (found == told["grid"]).float().mean() > 0.95


def test_what_does_not_fit_is_refused():
    model = build()
    known, columns, voice = given(model)
    for wrong in (known[:, :2], known + 1, torch.full_like(known, K)):
        with pytest.raises(DataError):
            model.sample(wrong, columns, voice)
    with pytest.raises(UsageError, match="steps"):
        Sampling(0)
    with pytest.raises(ModelError):
        MaskedConfig(K, (3,), 2)
