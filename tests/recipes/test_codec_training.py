"""Training of the codec: logs, who is taught, how a teacher joins, what a warm start takes over, and resuming to the bit."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

from codec.model import CodecConfig, CodecModel
from codec.quantize import quantizer_classes
from recipes.store import StoreWriter
from recipes.train.codec import CodecTask, CodecTraining, Heard, main
from recipes.train.loop import TrainConfig, read_checkpoint, train
from tts.base.errors import ModelError
from vocoder.fourier import VocoderConfig
from vocoder.nn.checkpoint import save_model

SIZES = dict(latent_dim=12, codebook_size=16, dim=8, hidden=16, n_encoder_blocks=1, n_decoder_blocks=1,
             vocoder=VocoderConfig(dim=8, hidden=16, n_blocks=1, n_projections=0))  # fmt: skip
SEMANTIC = dict(semantic="aligner", semantic_dim=192)
TASK = dict(crop_frames=40, batch_size=2, latents=200)
NEVER = 10**9


def config(**changes) -> TrainConfig:
    return TrainConfig(precision="32-true", warmup_steps=1, validate_steps=100, **{"report_steps": 1, **changes})


@pytest.fixture(scope="module")
def dump(tmp_path_factory):
    """Four clips of a tone that sweeps, in noise, for train and dev."""
    folder, rng = tmp_path_factory.mktemp("dump"), np.random.default_rng(0)
    for split in ("train", "dev"):
        with StoreWriter(folder / split, "wav", "int16") as wavs, StoreWriter(folder / split, "f0", "float32") as f0s:
            for i in range(4):
                f0 = np.linspace(100, 100 + 50 * (i + 1), 60)
                phase = 2 * np.pi * np.cumsum(np.repeat(f0, 320)) / 24_000
                wav = 0.1 * (np.sin(phase) + 0.5 * np.sin(5 * phase)) + 0.01 * rng.standard_normal(len(phase))
                wavs.add(f"u{i}", (wav * 32767).astype(np.int16))
                f0s.add(f"u{i}", f0)
    return folder


def rows(exp, name) -> list[dict]:
    return [row for row in map(json.loads, (exp / "metrics.jsonl").read_text().splitlines()) if name in row]


@pytest.fixture(scope="module")
def autoencoder(dump, tmp_path_factory):
    """A trained folder and the model exported from it, with a teacher."""
    root = tmp_path_factory.mktemp("autoencoder")
    task = CodecTask(**TASK, quantize=False, adversarial_from=NEVER)
    fast = config(learning_rate=5e-3)
    main(dump, root / "exp", 5, model=CodecConfig(**SIZES, **SEMANTIC), task=task, config=fast, max_steps=30)
    save_model(root / "model", read_checkpoint(root / "exp" / "step-00000030")[1]["ema"], {"kind": "codec"}, "# ae")
    return root


@pytest.mark.slow
def test_the_semantic_loss_falls_and_the_teachers_statistics_stay_in_the_model(autoencoder):
    losses = [row["semantic"] for row in rows(autoencoder / "exp", "semantic")]
    assert len(losses) == 30 and np.mean(losses[-5:]) < 0.88 * np.mean(losses[:3])
    trained = read_checkpoint(autoencoder / "exp" / "step-00000030")[1]["model"]
    assert trained["semantic_mean"].any() and (trained["semantic_std"] < 10).all()
    assert trained["join.weight"][:, 12:].any()  # began as zero
    assert {"latent/rms"} == {name for name in rows(autoencoder / "exp", "semantic")[0] if name.startswith(("latent", "book"))}


@pytest.mark.slow
@pytest.mark.parametrize("quantizer", ["mcrvq", "fsq"])
def test_codes_of_any_quantiser_begin_from_one_autoencoder_and_their_use_is_logged(quantizer, autoencoder, dump, tmp_path):
    model = CodecConfig(**SIZES, **SEMANTIC, quantizer=quantizer)
    main(dump, tmp_path, 5, model=model, task=CodecTask(**TASK, adversarial_from=NEVER), config=config(), max_steps=4,
         warm_start=autoencoder / "model")  # fmt: skip
    report = rows(tmp_path, "book/0/perplexity")[-1]
    codebook_size = CodecModel(model).quantizer.codebook_size
    for q in range(8):
        assert 1 <= report[f"book/{q}/perplexity"] <= codebook_size and 0 < report[f"book/{q}/used"] <= 1
        assert math.isfinite(report[f"book/{q}/residual"])
    scale = [row["latent/rms"] for row in (rows(autoencoder / "exp", "latent/rms")[-1], report)]
    assert 0.5 < scale[1] / scale[0] < 2
    steps = autoencoder / "exp" / "step-00000030", tmp_path / "step-00000004"
    before, after = (read_checkpoint(path)[1]["model"] for path in steps)
    assert torch.equal(before["semantic_mean"].half(), after["semantic_mean"].half())


@pytest.mark.slow
def test_every_discriminator_has_an_optimiser_and_is_moved_by_it(dump, tmp_path):
    job = CodecTraining(dump, CodecModel(CodecConfig(**SIZES)), CodecTask(**TASK, quantize=False, adversarial_from=1))
    taught = {id(p) for player in job.players for p in player.module.parameters()}
    forgotten = {name for name, part in vars(job).items() if isinstance(part, nn.Module)
                 for p in part.parameters() if id(p) not in taught}  # fmt: skip
    assert not forgotten
    assert all(player.starts_at in (0, job.task.adversarial_from) for player in job.players)
    before = [{name: p.clone() for name, p in member.named_parameters()} for member in job.discriminators.members]
    train(job, config(), tmp_path, minutes=5, max_steps=3)
    assert len(before) == 8
    for member, old in zip(job.discriminators.members, before, strict=True):
        still = [name for name, p in member.named_parameters() if torch.equal(p, old[name])]
        assert not still, type(member).__name__


def test_a_teacher_of_another_width_is_refused(dump):
    with pytest.raises(ModelError, match=r"192 dimensions. Set model.semantic_dim to 192"):
        CodecTraining(dump, CodecModel(CodecConfig(**SIZES, semantic="aligner", semantic_dim=64)), CodecTask(**TASK))


def test_a_teacher_that_is_only_read_back_is_not_heard_by_the_encoder(dump):
    model = CodecModel(CodecConfig(**SIZES, **SEMANTIC, semantic_input=False))
    job = CodecTraining(dump, model, CodecTask(**TASK, adversarial_from=9))
    job.measure_teacher()
    job.initialise()
    losses = job.generate(job.batch(0), 0, {})
    assert losses["semantic"] > 0 and job.model.train().encoder.out.weight.grad is None
    losses["semantic"].backward()
    assert job.model.encoder.out.weight.grad.any() and job.model.semantic_out.leave.weight.grad.any()
    assert job.model.eval().encode(job.batch(0)["wav"]).shape == (2, 8, 48)


def test_usage_is_counted_over_all_steps_since_the_last_report():
    quantizer, sizes = quantizer_classes("rvq")
    quantizer = quantizer(sizes(dim=4, codebook_size=8))
    quantizer.initialise(torch.randn(200, 4, generator=torch.Generator().manual_seed(0)), torch.Generator().manual_seed(1))
    heard, seen = Heard(8, 8), [set() for _ in range(8)]
    for step in range(6):
        latent = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(step))
        out = quantizer(latent, n_q=torch.tensor([3, 5]))
        heard.add(latent, out)
        for q in range(8):
            seen[q] |= set(out.codes[:, q].flatten().tolist()) - {-1}
    figures = heard.take()
    assert [round(8 * figures[f"book/{q}/used"]) for q in range(8)] == [len(codes) for codes in seen]
    assert len(seen[0]) > 4 and figures["book/7/used"] == 0 and figures["book/0/residual"] < 1
    assert figures["latent/rms"] == pytest.approx(1, abs=0.3)
    assert heard.take() == {}


@pytest.mark.slow
def test_training_goes_from_autoencoder_to_codes_and_resumes_to_the_bit(dump, tmp_path):
    model = CodecConfig(**SIZES)
    task = dict(crop_frames=40, batch_size=2, adversarial_from=100)
    assert main(dump, tmp_path / "ae", 5, model=model, task=CodecTask(quantize=False, **task), config=config(), max_steps=2) == 2
    save_model(tmp_path / "ae-model", read_checkpoint(tmp_path / "ae" / "step-00000002")[1]["ema"], {"kind": "codec"}, "# ae")

    def quantised(folder, steps):
        for stop in steps:
            main(dump, tmp_path / folder, 5, model=model, task=CodecTask(latents=400, **task), config=config(), max_steps=stop,
                 warm_start=tmp_path / "ae-model")  # fmt: skip
        return read_checkpoint(tmp_path / folder / f"step-{steps[-1]:08d}")[1]["model"]

    whole, resumed = quantised("whole", [4]), quantised("resumed", [2, 4])
    assert whole.keys() == resumed.keys() and all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert "quantizer.books.0.ema_usage" in whole and whole["quantizer.books.7.vectors"].any()
