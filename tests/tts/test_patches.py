"""Patches of a mel: rows are apart, the start is principal components, and training takes both parts further."""

import json

import numpy as np
import pytest
import torch

from recipes.store import StoreWriter
from recipes.train.loop import TrainConfig
from recipes.train.patches import PatchTask, PatchTraining, main
from tts.base.errors import UsageError
from tts.models.masked import OPEN, MaskedConfig
from tts.models.patches import PatchConfig, Patches

SIZES = PatchConfig(bands=20, codebook_size=8, code_dim=4, row_dim=8, row_hidden=12, dim=16, hidden=24, n_blocks=1,
                    masked=MaskedConfig(8, (5,), dim=16, hidden=24, n_layers=1, n_heads=2, code_dim=4))  # fmt: skip


@pytest.fixture(scope="module")
def dump(tmp_path_factory):
    """A store of mels that are smooth over bands and time; every other recording ends at 4 kHz."""
    folder, rng = tmp_path_factory.mktemp("dump"), np.random.default_rng(0)
    for split, count in (("train", 6), ("dev", 2)):
        place = folder / split
        place.mkdir()
        with StoreWriter(place, "mel", "float16", 100) as mels, StoreWriter(place, "f0", "float32") as f0s:
            rows = []
            for i in range(count):
                time = np.arange(int(rng.integers(40, 90)))
                mel = -5 + 2 * np.sin(time / 6 + i)[:, None] * np.cos(np.arange(100) / 15)
                mels.add(f"u{i}", mel + 0.1 * rng.standard_normal(mel.shape))
                f0s.add(f"u{i}", np.zeros(len(time)))
                rows.append({"key": f"u{i}", "speaker": "a", "language": "en-us", "bandwidth_hz": 4000 if i % 2 else 12000})
        (place / "utterances.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_what_lies_above_changes_no_row_below():
    torch.manual_seed(0)
    vq = Patches(SIZES).vq
    for parameter in vq.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    vq.quantizer.initialise(torch.randn(500, 20))
    mel = torch.randn(1, 30, 100)
    cut = mel.clone()
    cut[..., 45:] = -11.5
    full, low = vq.encode(mel), vq.encode(cut)
    assert full.shape == (1, 5, 8) and torch.equal(full[:, :2], low[:, :2]) and not torch.equal(full[:, 2:], low[:, 2:])
    assert vq.decode(full).shape == (1, 32, 100)


def test_the_untrained_coder_is_principal_components():
    torch.manual_seed(0)
    vq = Patches(SIZES).vq
    mel = -5 + torch.randn(4, 40, 3) @ torch.randn(3, 100)  # three numbers a frame make all bands of it
    vq.orient(mel)
    assert (vq.mel(vq.latent(mel)) - mel).square().mean() < 0.6 * mel.var()
    x = (vq.tiles(mel) - vq.mean[:, None])[:, 0]
    torch.testing.assert_close(vq.latent(mel)[..., :4], x @ vq.turn[0])
    torch.testing.assert_close(vq.turn[0].T @ vq.turn[0], torch.eye(4), atol=1e-4, rtol=0)


def test_rows_that_a_recording_holds():
    assert PatchConfig().rows_below(torch.tensor([12000.0, 11500.0, 8000.0, 4000.0, 0.0])).tolist() == [10, 10, 8, 6, 0]


def test_books_then_the_masked_model_learn_and_go_on(dump, tmp_path):
    from recipes.export import export

    quick = TrainConfig(learning_rate=5e-3, warmup_steps=1, ema_decay=0.5, precision="32-true", report_steps=5)
    task = {"batch_size": 6, "crop_frames": 32, "latents": 600}

    def curve(exp):
        return [json.loads(line) for line in (exp / "metrics.jsonl").read_text().splitlines()]

    books, codes = tmp_path / "books", tmp_path / "codes"
    assert main(dump, books, 1, model=SIZES, task=PatchTask(**task), config=quick, max_steps=25) == 25
    rows = curve(books)
    assert rows[4]["mel"] < rows[0]["mel"] and rows[-1]["dev/perplexity"] > 2
    assert main(dump, books, 1, model=SIZES, task=PatchTask(**task), config=quick, max_steps=27) == 27  # goes on
    with pytest.raises(UsageError, match="books"):
        main(dump, codes, 1, model=SIZES, task=PatchTask(part="masked"))
    export(books, dump, tmp_path / "a")
    masked = PatchTask(part="masked", **task)
    main(dump, codes, 1, model=SIZES, task=masked, config=quick, max_steps=40, warm_start=tmp_path / "a")
    rows = curve(codes)
    assert rows[7]["codes"] < 0.9 * rows[0]["codes"]
    export(codes, dump, tmp_path / "b")
    first, second = Patches.load(tmp_path / "a"), Patches.load(tmp_path / "b")
    for name, value in first.vq.state_dict().items():
        assert torch.equal(value, second.vq.state_dict()[name]), name
    assert not torch.equal(first.masked.enter.weight, second.masked.enter.weight)


def test_rows_above_a_recording_are_never_asked_for(dump):
    torch.manual_seed(0)
    job = PatchTraining(dump, Patches(SIZES), PatchTask(part="masked", warp=0.0, batch_size=8, crop_frames=64))
    batch = job.collated("train", ["u0", "u1"], np.random.default_rng(0))
    told = job.codes(batch)
    assert (told["grid"][1, 3:] == OPEN).all() and (told["grid"][0] != OPEN).all() and (told["grid"][1, :3] != OPEN).all()
    first, second = job.batch(3), job.batch(3)
    assert torch.equal(first["mel"], second["mel"]) and first["keys"] == second["keys"]
