"""The content adapter: its targets, its training, and the model folder it becomes."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from recipes.train.content import ContentTask, ContentTraining
from tts.aligner import AlignerConfig, AlignerModel
from tts.base.errors import ModelError
from tts.models.content import ContentAdapter, ContentConfig, load_content, with_voice
from vocoder.nn.checkpoint import save_model

_spec = importlib.util.spec_from_file_location("tiny_models", Path(__file__).parents[1] / "tts" / "conftest.py")
tiny = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tiny)


class Corpus(ContentTraining):
    """The training on one batch that never changes, without a feature store."""

    def __init__(self, kind="fs2"):
        self.acoustic = tiny.build(kind).requires_grad_(False)
        self.aligner = AlignerModel(AlignerConfig(n_symbols=40, dim=16, hidden=24, n_blocks=1)).eval().requires_grad_(False)
        adaptor = self.acoustic.variance
        query = 16 if getattr(adaptor, "timbre", None) is not None else 0
        torch.manual_seed(0)
        sizes = ContentConfig("a", "b", 16, adaptor.config.decoder_dim, query, dim=24, hidden=32, dropout=0.0)
        self.model = ContentAdapter(sizes)
        self.task, self.given = ContentTask(), tiny.make_batch()
        self.given["source"] = self.given["mel"]

    def batch(self, step):
        return self.given


@pytest.mark.parametrize("kind", ["fs2", "megatts"])
def test_in_the_right_voice_the_targets_are_the_conditions_of_the_acoustic_model(kind):
    job = Corpus(kind)
    wanted, (cond, tokens, *memory), _ = job.targets(job.given)
    conditions, _, right_cond, right_tokens, _ = job.acoustic.variance.training_pass(job.given)
    assert torch.allclose(with_voice(job.acoustic.variance, wanted, *memory), conditions, atol=1e-5)
    assert torch.equal(cond, right_cond) and torch.equal(tokens, right_tokens)
    assert wanted.shape[-1] > conditions.shape[-1] or kind == "fs2"


@pytest.mark.parametrize("kind", ["fs2", "flow", "megatts"])
def test_training_begins_near_and_comes_nearer(kind):
    job = Corpus(kind)
    blank = job.losses(job.model, job.given)["conditions"].item()
    job.begin()
    solved = job.losses(job.model, job.given)
    assert solved["conditions"].item() < 0.7 * blank
    optimizer = torch.optim.Adam(job.model.parameters(), 3e-3)
    for _ in range(30):
        losses = job.losses(job.model, job.given, with_mel=False)
        assert set(losses) == {"conditions"}
        optimizer.zero_grad()
        losses["conditions"].backward()
        optimizer.step()
    optimizer.zero_grad()
    after = job.losses(job.model, job.given)
    assert after["conditions"] < 0.9 * solved["conditions"] and after["mel"] < solved["mel"] + 0.1
    after["mel"].backward()
    assert job.model.embed.weight.grad.abs().sum() > 0 and all(p.grad is None for p in job.acoustic.parameters())


def test_a_step_hears_the_warped_source_and_aims_at_the_target():
    job = Corpus()
    before, _, _ = job.targets(job.given)
    job.given["source"] = job.given["mel"] + torch.linspace(-1, 1, 100)
    after, _, mask = job.targets(job.given)
    heard = job.heard(job.given, mask)[0]
    job.given["source"] = torch.roll(job.given["mel"], 7, dims=-1)
    assert torch.equal(before, after) and not torch.allclose(job.heard(job.given, mask)[0], heard)


def test_an_adapter_of_another_model_is_refused_by_name(tmp_path):
    config = ContentConfig("aaaa", "bbbb", 16, 12, dim=24, hidden=32)
    facts = {"kind": "content", "model": {**config.__dict__}, "steps": 1}
    save_model(tmp_path, ContentAdapter(config).state_dict(), facts, "# content")
    model = load_content(tmp_path, {"model_id": "aaaa"}, {"model_id": "bbbb"})
    assert not any(parameter.requires_grad for parameter in model.parameters())
    with pytest.raises(ModelError, match="for acoustic model aaaa; loaded is cccc") as caught:
        load_content(tmp_path, {"model_id": "cccc"}, {"model_id": "bbbb"})
    assert "train-content" in caught.value.fix and caught.value.code == "content.model"
    with pytest.raises(ModelError, match="for aligner model bbbb"):
        load_content(tmp_path, {"model_id": "aaaa"}, {"model_id": "dddd"})


def test_what_reaches_a_frame_is_near(tmp_path):
    config = ContentConfig("a", "b", 16, 12, dim=24, hidden=32)
    model = ContentAdapter(config).eval()
    torch.nn.init.normal_(model.out.weight)
    content = torch.randn(1, 60, 16)
    ones, mask = torch.ones(1, 60), torch.ones(1, 60, dtype=torch.bool)
    before = model(content, ones, ones, ones, mask)
    content[:, 40] += 1
    changed = (model(content, ones, ones, ones, mask) - before).abs().sum(-1)[0] > 1e-6
    from tts.models.content import RECEPTIVE_FIELD

    assert changed[40] and np.flatnonzero(changed.numpy()).tolist() == list(range(40 - RECEPTIVE_FIELD, 41 + RECEPTIVE_FIELD))
