"""k-means units: centres of any extractor's features, fitted, saved, read again; a file that does not fit is refused."""

import pytest
import torch

from codec.units.extractor import MelFeatures, UnitExtractor, unit_extractor
from codec.units.kmeans import KmeansUnits, fit, save_centres
from tts.base.errors import DataError, ModelError, NoInputError, UsageError
from vocoder.nn.checkpoint import write_tensors


def wav(frames, batch=2, seed=0):
    return 0.1 * torch.randn(batch, 320 * frames, generator=torch.Generator().manual_seed(seed))


def test_centres_find_the_sounds_that_are_there(tmp_path):
    t = torch.arange(320 * 60) / 24_000
    tones = [0.3 * torch.sin(2 * torch.pi * hz * t) for hz in (200, 800, 3200)]
    centres = fit(MelFeatures(), tones, 3)
    save_centres(tmp_path / "km.safetensors", centres, MelFeatures())
    found = unit_extractor(f"kmeans:{tmp_path}/km.safetensors")
    assert found.codebooks.shape == (1, 3, 100) and found.unit_rate == 75.0 and torch.equal(found.codebooks[0], centres)
    heard = [found.units(tone[None])[0, 2:-2, 0].unique().tolist() for tone in tones]
    assert sorted(heard) == [[0], [1], [2]]
    assert found.features(tones[0][None]).shape == (1, 60, 100)


def test_fitting_is_seeded_and_hears_no_more_than_it_needs():
    heard = []

    def waves():
        for seed in range(10):
            heard.append(seed)
            yield wav(60, 1, seed)[0]

    first = fit(MelFeatures(), waves(), 5, rows=100)
    assert len(heard) == 3  # the third is drawn, not used
    assert torch.equal(fit(MelFeatures(), waves(), 5, rows=100), first)
    assert not torch.equal(fit(MelFeatures(), waves(), 5, rows=100, seed=1), first)
    with pytest.raises(DataError, match="120 latents for 20 codes"):
        fit(MelFeatures(), wav(60), 20)


@pytest.mark.parametrize(("name", "tensors", "facts"), [
    ("codes", {"codes": torch.zeros(3, 100)}, {"kind": "unit-centres", "features": "mel"}),
    ("another kind", {"centres": torch.zeros(3, 100)}, {"kind": "voice", "features": "mel"}),
    ("of itself", {"centres": torch.zeros(3, 100)}, {"kind": "unit-centres", "features": "kmeans:x"}),
    ("another width", {"centres": torch.zeros(3, 99)}, {"kind": "unit-centres", "features": "mel"}),
])  # fmt: skip
def test_a_file_that_holds_no_fitting_centres_is_refused(tmp_path, name, tensors, facts):
    write_tensors(tmp_path / "x", tensors, facts)
    with pytest.raises(ModelError) as caught:
        unit_extractor(f"kmeans:{tmp_path}/x")
    assert caught.value.code == "units.centres" and str(tmp_path / "x") in caught.value.where


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(NoInputError, match="absent"):
        unit_extractor(f"kmeans:{tmp_path}/absent")
    write_tensors(tmp_path / "x", {"centres": torch.zeros(3, 4)}, {"kind": "unit-centres", "features": "unheard-of:y"})
    with pytest.raises(UsageError, match="no extractor 'unheard-of:y'"):
        unit_extractor(f"kmeans:{tmp_path}/x")


def test_centres_in_memory_are_an_extractor_too():
    class Halves(UnitExtractor):
        name, dim, sample_rate, frame_rate = "halves", 2, 24_000, 37.5

        def run(self, wav):
            return wav.unfold(1, 640, 640).reshape(len(wav), -1, 2, 320).mean(3)

    made = KmeansUnits("k", Halves(), torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
    assert made.units(torch.ones(1, 640)).tolist() == [[[1]]] and made.unit_rate == 37.5
