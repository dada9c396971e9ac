"""The unit encoder: what its codes do not depend on, what its books keep, how it learns."""

import json
import shutil

import numpy as np
import pytest
import torch

from codec.units.encoder import UnitEncoder, UnitEncoderConfig
from codec.units.extractor import unit_extractor
from recipes.export import export
from recipes.store import StoreWriter
from recipes.train import units
from recipes.train.loop import TrainConfig
from recipes.units import FACTS, write_units
from tts.base.errors import DataError, ModelError
from tts.models.speaker import SpeakerEncoder
from vocoder.nn.masks import length_mask

TINY = UnitEncoderConfig(32, 64, n_blocks=3, attention_after=(2,), layers=(2, 3), codebook_size=8, width=8, dropout=0.0)
SOUNDS = 5


def speech(rng, n_sounds=14) -> np.ndarray:
    """A mel [T, 100] of sounds, each a spectrum of its own for 6 to 12 frames; they come in a fixed cycle."""
    spectra = np.random.default_rng(0).normal(0, 2, (SOUNDS, 100))
    kinds = np.repeat((np.arange(n_sounds) + rng.integers(SOUNDS)) % SOUNDS, rng.integers(6, 12, n_sounds))
    return (spectra[kinds] - 5 + rng.normal(0, 0.3, (len(kinds), 100))).astype(np.float32)


@pytest.fixture(scope="module")
def dump(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("units"), np.random.default_rng(1)
    for split, count in (("train", 24), ("dev", 4)):
        (root / split).mkdir()
        with StoreWriter(root / split, "mel", "float16", 100) as mels, StoreWriter(root / split, "f0", "float32") as f0:
            rows = []
            for i in range(count):
                mel = speech(rng)
                mels.add(f"u{i}", mel)
                f0.add(f"u{i}", np.zeros(len(mel)))
                rows.append(json.dumps({"key": f"u{i}", "speaker": f"s{i % 2}", "language": "en-us"}))
        (root / split / "utterances.jsonl").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="module")
def house(dump, tmp_path_factory):
    """Trained for a moment on those sounds, and exported: its extractor."""
    root = tmp_path_factory.mktemp("exp")
    task = units.UnitTask(budget=600, clusters=8, stretch=3, warp=0.3, disturb=0.3)
    config = TrainConfig(learning_rate=3e-3, warmup_steps=5, ema_decay=0.9, validate_steps=50)
    before = units.UnitTraining(dump, TINY, task)
    with torch.no_grad():
        untrained = before.validate(before.model.eval(), 0)["hidden"]
    units.main(dump, root / "exp", 5, model=TINY, task=task, config=config, max_steps=120)
    rows = [json.loads(line) for line in open(root / "exp" / "metrics.jsonl")]
    assert [row for row in rows if "dev/hidden" in row][-1]["dev/hidden"] < 0.6 * untrained
    export(root / "exp", dump, root / "model")
    return unit_extractor(f"house:{root / 'model'}")


def whole(mel):
    return torch.ones(mel.shape[:2], dtype=torch.bool)


def test_codes_tell_sounds_apart_and_not_who_made_them(house):
    """The commonest pair of codes of each sound is another one, and a third of its units carry it; by chance of 64 a fifth do."""
    mel = torch.from_numpy(np.repeat(np.random.default_rng(0).normal(0, 2, (SOUNDS, 100)), 20, 0).astype(np.float32) - 5)[None]
    codes = house.units_of_mel(mel, whole(mel))[0].view(SOUNDS, 10, 2)
    joint = codes[..., 0] * TINY.codebook_size + codes[..., 1]
    common, share = joint.mode(1).values, (joint == joint.mode(1).values[:, None]).float().mean(1)
    assert len(set(common.tolist())) >= SOUNDS - 1 and share.mean() >= 0.35
    louder = mel + torch.linspace(-1, 2, 100)
    assert torch.equal(house.units_of_mel(louder, whole(mel)), house.units_of_mel(mel, whole(mel)))


def test_padding_changes_nothing_and_an_odd_frame_is_a_unit(house):
    mels = [torch.from_numpy(speech(np.random.default_rng(i), n)) for i, n in ((3, 5), (4, 9))]
    mels[0] = mels[0][: len(mels[0]) // 2 * 2 - 1]
    batch = torch.nn.utils.rnn.pad_sequence(mels, batch_first=True, padding_value=-11.0)
    lengths = torch.tensor([len(mel) for mel in mels])
    together = house.units_of_mel(batch, length_mask(lengths, batch.shape[1]))
    for mel, codes in zip(mels, together, strict=True):
        alone = house.units_of_mel(mel[None], whole(mel[None]))[0]
        assert len(alone) == -(-len(mel) // 2)
        assert torch.equal(codes[: len(alone)], alone)


def test_samples_and_their_mel_give_the_same_units(house):
    from vocoder.audio.mel import log_mel

    wav = 0.1 * torch.randn(1, 320 * 31, generator=torch.Generator().manual_seed(0))
    mel = log_mel(wav)
    assert torch.equal(house.units(wav), house.units_of_mel(mel, whole(mel))) and house.units(wav).shape == (1, 16, 2)
    assert (house.unit_rate, house.codebooks.shape, house.dim) == (37.5, (2, 8, 8), 64)


def test_books_keep_what_varies_but_not_what_another_speaker_moves():
    torch.manual_seed(0)
    model = UnitEncoder(TINY)
    turn = torch.linalg.qr(torch.randn(TINY.feature_dim, TINY.feature_dim))[0]
    said, speaker = turn[:, :20], turn[:, 20:]
    features = torch.randn(6, 20)[torch.randint(6, (4000,))] @ said.T + 0.01 * torch.randn(4000, TINY.feature_dim)
    features, others = (features + 5 * torch.randn(4000, 44) @ speaker.T for _ in range(2))
    model.fit_books(features, others, torch.Generator().manual_seed(0))
    kept = model.along_axes(features).flatten(-2)
    codes = model.quantise(features)
    assert (kept - model.vectors(codes))[:, :2].square().mean() < 0.2 * kept[:, :2].var()
    axes = model.axes / model.axes.norm(dim=0)
    assert (speaker.T @ axes[:, [0, TINY.width]]).norm(dim=0).max() < 0.1
    assert (codes == model.quantise(others)).float().mean() > 0.9
    with pytest.raises(DataError, match="0 to 7"):
        model.vectors(torch.tensor([[0, 8]]))


def test_units_of_the_store_are_learned_where_they_belong(dump, house, tmp_path):
    """The codes that are told are those of the part that is heard, wherever it begins; another clock is refused."""
    store = tmp_path / "dump"
    shutil.copytree(dump, store)
    for split in ("train", "dev"):
        write_units(store / split, house.name)
    job = units.UnitTraining(store, TINY, units.UnitTask(budget=600, longest=40, clusters_of="units"))
    batch = job.batch(0)
    for i, key in enumerate(batch["keys"]):
        whole_mel, whole_codes = job.train.get("mel", key), job.train.get("units", key)
        heard = batch["mel"][i, : batch["lengths"][i]].numpy()
        (at,) = (t for t in range(0, len(whole_mel) - len(heard) + 1, 2) if np.array_equal(whole_mel[t : t + len(heard)], heard))
        assert np.array_equal(batch["units"][i, : -(-len(heard) // 2)].numpy(), whole_codes[at // 2 :][: -(-len(heard) // 2)])
    hidden, targets = job.seen(batch)
    assert targets.shape == (len(hidden), 2) and job.guess.logits(hidden).shape == (len(hidden), 2, TINY.codebook_size)
    facts = json.loads((store / "train" / FACTS).read_text())
    (store / "train" / FACTS).write_text(json.dumps(facts | {"unit_rate": 50.0}))
    with pytest.raises(DataError, match="50 units a second"):
        units.UnitTraining(store, TINY, units.UnitTask(clusters_of="units"))


def test_books_learn_to_let_speech_be_rebuilt(dump, house, tmp_path):
    """The codes of the exported encoder are those that the training's decoder was told by; training resumes to the bit."""
    from safetensors.torch import load_file

    from recipes.train import unit_books

    config = TrainConfig(learning_rate=3e-3, warmup_steps=5, ema_decay=0.5, validate_steps=20)
    task, start = unit_books.UnitBooksTask(budget=400, warp=0.3, disturb=0.3), house.name.removeprefix("house:")
    for exp, stops in (("whole", [60]), ("parts", [20, 60])):
        for steps in stops:
            torch.manual_seed(0)
            unit_books.main(dump, tmp_path / exp, 5, start, task=task, config=config, max_steps=steps)
    one, two = (load_file(tmp_path / exp / "step-00000060" / "ema.safetensors") for exp in ("whole", "parts"))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    rows = [json.loads(line) for line in open(tmp_path / "whole" / "metrics.jsonl")]
    rebuilt = [row["dev/mel"] for row in rows if "dev/mel" in row]
    assert rebuilt[-1] < 0.9 * rebuilt[0] and 0 <= rows[-1]["dev/same"] <= 1

    written = export(tmp_path / "whole", dump, tmp_path / "model", dtype="float32")
    assert written["began_from"]["steps"] == 120 and written["books"] == "learned"
    learned = unit_extractor(f"house:{tmp_path / 'model'}")
    model = unit_books.Rebuilder(TINY, SpeakerEncoder.load().model.config.dim)
    model.start_learning()
    model.load_state_dict(one)
    mel = torch.from_numpy(speech(np.random.default_rng(9)))[None]
    batch = {"mel": mel, "heard": mel, "lengths": torch.tensor([mel.shape[1]]), "speaker": torch.zeros(1, 192),
             "pitch": torch.zeros(1, -(-mel.shape[1] // 2), 2)}  # fmt: skip
    scratch = {}
    model.eval().loss(batch, task, scratch)
    assert torch.equal(learned.units_of_mel(mel, whole(mel))[0], scratch["codes"])


def test_another_kind_of_model_is_refused_by_name(dump):
    with pytest.raises(ModelError, match="aligner"):
        unit_extractor("house:tts/assets/aligner")
