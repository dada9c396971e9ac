"""Extractors of units: one feature a frame of the codec, at the right time; what is missing is said with its remedy."""

import sys
import types

import pytest
import torch

import tts.units  # noqa: F401 - adds the aligner
from codec.units import extractor
from codec.units.extractor import UnitExtractor, at_frames, unit_extractor
from tts.base.errors import DataError, UnavailableError, UsageError


def wav(frames, batch=2):
    return 0.1 * torch.randn(batch, 320 * frames, generator=torch.Generator().manual_seed(0))


def test_features_of_a_slower_clock_are_read_at_the_middle_of_each_frame():
    seconds = (torch.arange(50) + 0.5) / 50  # each feature says its own time
    read = at_frames(seconds[None, :, None], 50.0, 75)[0, :, 0]
    wanted = (torch.arange(75) + 0.5) / 75
    assert torch.allclose(read[1:-1], wanted[1:-1], atol=1e-6)
    assert read[0] == seconds[0] and read[-1] == seconds[-1]  # nothing is known beyond
    assert at_frames(seconds[None, :1, None], 50.0, 3).shape == (1, 3, 1)


def test_the_aligner_gives_a_feature_a_frame_without_gradient():
    found = unit_extractor("aligner")
    assert (found.name, found.dim) == ("aligner", 192)
    sound = wav(30).requires_grad_()
    features = found.features(sound)
    assert features.shape == (2, 30, 192) and features.dtype == torch.float32 and not features.requires_grad
    assert torch.allclose(features[:1], found.features(sound[:1]), atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(found.features(sound), features)


@pytest.mark.parametrize("shape", [(640,), (1, 0), (2, 321)])
def test_samples_that_are_no_whole_frames_are_refused(shape):
    with pytest.raises(DataError, match=r"\[B, S\] with S a multiple of 320"):
        unit_extractor("aligner").features(torch.zeros(shape))


def test_an_unknown_extractor_is_refused_with_those_that_are_known():
    with pytest.raises(UsageError, match=r"no extractor 'hubert'. Known: aligner, house, kmeans, mel, transformers, xlsr"):
        unit_extractor("hubert")


def test_without_transformers_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UnavailableError, match="pip install transformers") as caught:
        unit_extractor("transformers:some/wavlm")
    assert caught.value.code == "units.transformers" and caught.value.where == "transformers:some/wavlm"


@pytest.fixture
def transformers(monkeypatch):
    """A stand-in for the package: two hidden layers, the mean and the largest sample of each window of 400; 16 kHz, 50 Hz."""
    asked = []

    class Model(torch.nn.Module):
        config = types.SimpleNamespace(hidden_size=1, conv_kernel=(10, 3, 3, 3, 3, 2, 2), conv_stride=(5, 2, 2, 2, 2, 2, 2))

        def forward(self, wav, output_hidden_states):
            assert output_hidden_states and not self.training
            windows = wav.unfold(1, 400, 320)
            return types.SimpleNamespace(hidden_states=(windows.mean(2)[..., None], windows.amax(2)[..., None]))

    def load(cls, place, local_files_only):
        asked.append((place, local_files_only))
        if place == "absent":
            raise OSError("absent is not a local folder")
        return cls()

    auto = types.SimpleNamespace(from_pretrained=lambda place, local_files_only: load(Model, place, local_files_only))
    given = types.SimpleNamespace(sampling_rate=16_000, do_normalize=False)
    facts = types.SimpleNamespace(from_pretrained=lambda *_, **__: given)
    module = types.ModuleType("transformers")
    module.AutoModel, module.AutoFeatureExtractor = auto, facts
    monkeypatch.setitem(sys.modules, "transformers", module)
    return asked


def test_a_model_of_transformers_is_the_mean_of_its_layers_on_our_frames(transformers):
    found = unit_extractor("transformers:/models/wavlm")
    assert transformers == [("/models/wavlm", True)]  # nothing is downloaded unasked
    assert (found.dim, found.sample_rate, found.frame_rate) == (1, 16_000, 50.0)
    t = torch.arange(320 * 90) / 24_000
    features = found.features(t[None] / 2)[0, :, 0]  # the sound says its own time
    middle = (torch.arange(90) + 0.5) / 75 / 2
    # mean: the middle of the window; largest: its end, 12.5 ms later; half of both
    assert torch.allclose(features[2:-3], middle[2:-3] + 0.0125 / 4, atol=1e-3)
    for frames in (1, 2, 7):
        assert found.features(wav(frames)).shape == (2, frames, 1)


def test_a_model_that_is_not_here_is_asked_from_a_hub_only_on_request(transformers):
    with pytest.raises(UnavailableError, match="download=True") as caught:
        unit_extractor("transformers:absent")
    assert caught.value.code == "units.missing"
    unit_extractor("transformers:org/wavlm", download=True)
    assert transformers[-1] == ("org/wavlm", False)


def test_an_own_extractor_is_found_by_its_name(monkeypatch):
    class Level(UnitExtractor):
        dim, sample_rate, frame_rate = 1, 24_000, 75.0

        def __init__(self, place, download):
            self.name = f"level:{place}"

        def run(self, wav):
            return wav.unfold(1, 320, 320).square().mean(2, keepdim=True)

    monkeypatch.setattr(extractor, "_KINDS", dict(extractor._KINDS))
    extractor.register("level", Level)
    assert unit_extractor("level:x").features(wav(4)).shape == (2, 4, 1)


def test_units_keep_their_own_clock_and_say_which_books_they_are_of():
    class Sign(UnitExtractor):
        """One feature each 640 samples, its mean; two groups of two codes: below zero or not, below a half or not."""

        name, dim, sample_rate, frame_rate = "sign", 1, 24_000, 37.5
        codebooks = torch.tensor([[[-1.0], [1.0]], [[0.0], [0.5]]])

        def run(self, wav):
            return torch.nn.functional.pad(wav, (0, wav.shape[1] % 640)).unfold(1, 640, 640).mean(2, keepdim=True)

        def quantise(self, features):
            return torch.cat((features >= 0, features >= 0.5), 2).long()

    found = Sign()
    levels = torch.tensor([-1.0, 1.0, 0.25]).repeat_interleave(640)[None, :-320]
    assert found.units(levels).tolist() == [[[0, 0], [1, 1], [1, 0]]] and found.unit_rate == 37.5
    assert found.features(levels).shape == (1, 5, 1)
    before = found.units_id
    found.codebooks = found.codebooks + 1e-3
    assert len(before) == 16 and found.units_id != before
    with pytest.raises(DataError, match=r"\[B, S\] with S a multiple of 320"):
        found.units(torch.zeros(1, 100))


def test_an_extractor_without_a_quantiser_makes_no_units():
    with pytest.raises(UsageError, match="aligner: this extractor has features but no quantiser") as caught:
        unit_extractor("aligner").units(wav(3))
    assert caught.value.code == "units.no_quantiser"


def test_a_codec_that_hears_a_teacher_brings_it_when_it_encodes():
    from codec import Codec
    from codec.model import CodecConfig, CodecModel
    from vocoder.fourier import VocoderConfig

    sizes = dict(latent_dim=12, codebook_size=8, dim=8, hidden=16, n_encoder_blocks=1, n_decoder_blocks=1)
    vocoder = VocoderConfig(dim=8, hidden=16, n_blocks=1)
    codec = Codec(CodecModel(CodecConfig(**sizes, vocoder=vocoder, semantic="aligner", semantic_dim=192)), {})
    assert codec.extractor is None  # decoding needs none
    assert codec.encode(wav(40)[0].numpy(), sample_rate=24_000).codes.shape == (8, 40)
    assert codec.extractor.name == "aligner"
