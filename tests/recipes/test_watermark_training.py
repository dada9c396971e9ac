"""The watermark's training: it finds marks better than at the start, through channels that are what they say."""

import numpy as np
import pytest
import torch

from recipes.store import StoreWriter
from recipes.train import watermark
from recipes.train.loop import TrainConfig
from tts.models.watermark import MarkConfig, MarkModel
from vocoder.audio.frames import MEL

SMALL = MarkConfig(dim=16, hidden=32, n_blocks=1)
TASK = watermark.MarkTask(crop_frames=96, batch_size=4, coded=1, spoken=1)


@pytest.fixture(scope="module")
def dump(tmp_path_factory):
    """Mels that change slowly, with a pitch."""
    folder, rng = tmp_path_factory.mktemp("dump"), np.random.default_rng(0)
    for split in ("train", "dev"):
        with StoreWriter(folder / split, "mel", "float16", 100) as mels, StoreWriter(folder / split, "f0", "float32") as pitches:
            for i in range(4):
                mels.add(f"u{i}", -5 + rng.standard_normal((120, 100)).cumsum(0).cumsum(1) / 60)
                pitches.add(f"u{i}", np.full(120, 150.0))
    return folder


@pytest.fixture(scope="module")
def job(dump):
    torch.manual_seed(0)
    return watermark.MarkTraining(dump, MarkModel(SMALL), TASK, dump / "train")


def test_a_few_steps_raise_the_deviations(job):
    batch, plain = job.batch(0), lambda mel, f0: mel
    optimizer = torch.optim.AdamW(job.model.parameters(), lr=5e-3)
    before = torch.stack(job.deviations(job.model, batch, plain)).mean(1)
    for step in range(30):
        long, payload, short = job.deviations(job.model, job.batch(step), plain)
        optimizer.zero_grad()
        (-(long + payload + short).mean()).backward()
        optimizer.step()
    after = torch.stack(job.deviations(job.model, batch, plain)).mean(1)
    assert (after > before + 1).all() and (after > 0.7).all()  # 1.7 to 2.1 more measured


def test_batches_are_functions_of_the_step_and_bring_new_keys(job):
    one, again, other = job.batch(3), job.batch(3), job.batch(4)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.allclose(one["white"], other["white"])


def test_what_a_marked_item_hears_is_the_pattern_from_its_start(job):
    batch = job.batch(1)
    change = job.marked(job.model, batch) - batch["mel"]
    pattern = job.model.shape(watermark.composite(batch["white"], batch["signs"]))
    start = int(batch["starts"][2])
    loud = batch["mel"][2, 0] > np.log(MEL.floor) + 1
    assert torch.allclose(change[2, 0][loud], pattern[2, -start % 128][loud], atol=1e-4)


def test_the_size_of_the_mark_is_given_whatever_is_learned():
    model = MarkModel(SMALL)
    with torch.no_grad():
        for parameter in (model.rate_gain, model.scale_gain, model.band_gain):
            parameter.add_(torch.randn_like(parameter))
        pattern = model.shape(torch.randn(40, 128, 100))
    assert float(pattern.square().mean().sqrt()) == pytest.approx(SMALL.amplitude, rel=0.05)
    assert pattern.mean(1).abs().max() < 1e-6 and pattern.mean(2).abs().max() < 0.1  # no equaliser, hardly any loudness


def test_the_codec_passes_the_gradient_and_the_channels_stay_above_the_floor(job):
    mel = job.batch(0)["mel"].requires_grad_()
    coded = watermark.through_codec(job.codec, mel, 4)
    coded.sum().backward()
    assert coded.shape == mel.shape and float(mel.grad.abs().sum()) > 0
    floor = float(np.log(MEL.floor)) - 1e-4
    for heard in (coded, watermark.filtered(mel), watermark.moved(mel), watermark.rough(mel).clamp(min=floor)):
        assert heard.isfinite().all() and heard.min() >= floor
    near = watermark.noisy(mel, job.noises, (40, 40)) - mel
    assert near.min() >= 0 and watermark.noisy(mel, job.noises, (0, 0)).mean() > mel.mean()


def test_main_trains_and_records_what_export_needs(dump, tmp_path):
    from recipes.export import newest
    from recipes.train.loop import read_checkpoint

    config = TrainConfig(precision="32-true", report_steps=2, validate_steps=100)
    assert watermark.main(dump, tmp_path / "exp", 5.0, model=SMALL, task=TASK, config=config, max_steps=2) == 2
    step, tensors = read_checkpoint(newest(tmp_path / "exp"))
    assert step == 2 and "rate_gain" in tensors["ema"]
