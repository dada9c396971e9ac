"""The published layout of Vocos is read into our model: every tensor in its place, every other kind of file refused."""

import os
import pickle

import numpy as np
import pytest
import torch

from tts.base.errors import DataError, ModelError, NoInputError
from vocoder.vocos import Backbone, Features, Head, PackageConfig, VocosModel, VocosPackage, htk_filterbank, published_name

yaml = pytest.importorskip("yaml")

N_MELS, N_FFT, HOP, DIM = 10, 64, 16, 8
OUTSIDE = {
    "feature_extractor.mel_spec.spectrogram.window": [N_FFT],
    "feature_extractor.mel_spec.mel_scale.fb": [N_FFT // 2 + 1, N_MELS],
    "backbone.embed.weight": [DIM, N_MELS, 7],
    "backbone.embed.bias": [DIM],
    "backbone.norm.weight": [DIM],
    "backbone.norm.bias": [DIM],
    "backbone.final_layer_norm.weight": [DIM],
    "backbone.final_layer_norm.bias": [DIM],
    "head.out.weight": [N_FFT + 2, DIM],
    "head.out.bias": [N_FFT + 2],
    "head.istft.window": [N_FFT],
}
INSIDE = {
    "gamma": [DIM],
    "dwconv.weight": [DIM, 1, 7],
    "dwconv.bias": [DIM],
    "norm.weight": [DIM],
    "norm.bias": [DIM],
    "pwconv1.weight": [24, DIM],
    "pwconv1.bias": [24],
    "pwconv2.weight": [DIM, 24],
    "pwconv2.bias": [DIM],
}
LAYOUT = OUTSIDE | {f"backbone.convnext.{i}.{name}": shape for i in range(2) for name, shape in INSIDE.items()}


def settings(padding="center"):
    clock = {"n_fft": N_FFT, "hop_length": HOP, "padding": padding}
    return {
        "feature_extractor": {
            "class_path": "vocos.feature_extractors.MelSpectrogramFeatures",
            "init_args": {"sample_rate": 24_000, "n_mels": N_MELS, **clock},
        },
        "backbone": {
            "class_path": "vocos.models.VocosBackbone",
            "init_args": {"input_channels": N_MELS, "dim": DIM, "intermediate_dim": 24, "num_layers": 2},
        },
        "head": {"class_path": "vocos.heads.ISTFTHead", "init_args": {"dim": DIM, **clock}},
    }


def published():
    torch.manual_seed(0)
    named = {name: torch.randn(shape) * 0.3 for name, shape in LAYOUT.items()}
    return named | {name: torch.hann_window(N_FFT) for name in LAYOUT if name.endswith("window")}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings()))
    torch.save(published(), tmp_path / "pytorch_model.bin")
    return tmp_path


def speech(seconds=0.1):
    return np.random.default_rng(0).normal(0, 0.1, int(24_000 * seconds)).astype(np.float32)


def test_every_published_tensor_has_one_place(folder):
    state = VocosPackage.load(folder).model.state_dict()
    assert {published_name(name) for name in state} == set(LAYOUT) and len(state) == len(LAYOUT)
    for name, given in published().items():
        ours = next(tensor for own, tensor in state.items() if published_name(own) == name)
        assert torch.equal(ours.reshape(given.shape), given), name


def test_safetensors_give_the_same_samples_as_the_bin(folder, tmp_path):
    from safetensors.torch import save_file

    wav = speech()
    first = VocosPackage.load(folder)
    mel = first.mel(wav)
    assert mel.shape == (1 + len(wav) // HOP, N_MELS) and mel.dtype == np.float32
    made = first.decode(mel)
    assert made.shape == (HOP * (len(mel) - 1),) and np.isfinite(made).all() and made.std() > 0
    save_file(published(), tmp_path / "other.safetensors")
    again = VocosPackage.load(folder / "config.yaml", tmp_path / "other.safetensors")
    assert np.array_equal(again.decode(mel), made)


def test_same_padding_has_as_many_hops_as_frames(folder):
    (folder / "config.yaml").write_text(yaml.safe_dump(settings("same")))
    model = VocosPackage.load(folder)
    mel = model.mel(speech())
    assert len(mel) == len(speech()) // HOP and len(model.decode(mel)) == HOP * len(mel)


@pytest.mark.parametrize("padding", ["center", "same"])
def test_the_inverse_transform_undoes_the_analysis(padding):
    head = Head(DIM, N_FFT, HOP, padding)
    model = VocosModel(PackageConfig(Features(24_000, N_FFT, HOP, N_MELS, padding), Backbone(N_MELS, DIM, 24, 1), head))
    wav = torch.from_numpy(speech()[: 40 * HOP])[None]
    padded = torch.nn.functional.pad(wav, (model.pad(head),) * 2, mode="reflect")
    spectrum = torch.stft(padded, N_FFT, HOP, window=torch.hann_window(N_FFT), center=False, return_complex=True)
    assert torch.allclose(model.inverse(spectrum.transpose(1, 2)), wav, atol=1e-5)


def test_bands_are_equally_wide_in_htk_mel_and_of_height_one():
    bank = htk_filterbank(Features())
    assert bank.shape == (513, 100) and float(bank.max()) <= 1
    centres = bank.argmax(0)[20:] * 24_000 / 1024  # above, a band spans several bins
    mels = 2595 * torch.log10(1 + centres / 700)
    step = 2595 * np.log10(1 + 12_000 / 700) / 101
    assert torch.allclose(mels, step * torch.arange(21, 101), atol=step)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["backbone"].update(class_path="vocos.models.VocosResNetBackbone"), "VocosResNetBackbone"),
        (lambda s: s["feature_extractor"].update(class_path="vocos.feature_extractors.EncodecFeatures"), "EncodecFeatures"),
        (lambda s: s["backbone"]["init_args"].update(adanorm_num_embeddings=4), "EnCodec"),
        (lambda s: s["backbone"]["init_args"].update(dim=10**9), "1 to 8192"),
        (lambda s: s["backbone"]["init_args"].update(layers=2), "no key 'layers'"),
        (lambda s: s["feature_extractor"]["init_args"].update(sample_rate=22_050), "22050"),
        (lambda s: s["head"]["init_args"].update(hop_length=32), "hop_length"),
        (lambda s: s["head"]["init_args"].update(padding="reflect"), "padding"),
        (lambda s: s["backbone"]["init_args"].update(num_layers=0), "1 to 8192"),
        (lambda s: s["backbone"]["init_args"].update(num_layers=3), "missing"),
        (lambda s: s["backbone"]["init_args"].update(num_layers=1), "unknown"),
        (lambda s: s["backbone"]["init_args"].update(intermediate_dim=16), "different shape"),
    ],
)
def test_other_models_are_refused_by_name(folder, change, message):
    content = settings()
    change(content)
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ModelError, match=message):
        VocosPackage.load(folder)


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_weights_that_would_run_code_or_are_damaged_are_refused(folder):
    path, trap = folder / "pytorch_model.bin", folder / "trap"
    good = path.read_bytes()
    torch.save({"head.out.bias": Hostile(str(trap))}, path)
    with pytest.raises(ModelError):
        VocosPackage.load(folder)
    for bad in (pickle.dumps(Hostile(str(trap)), 2), b"", b"PK\x03\x04", good[: len(good) // 2], good[:-30]):
        path.write_bytes(bad)
        with pytest.raises(ModelError):
            VocosPackage.load(folder)
    assert not trap.exists()
    torch.save(published() | {"head.out.bias": torch.full((N_FFT + 2,), float("nan"))}, path)
    with pytest.raises(ModelError, match=r"head\.out\.bias"):
        VocosPackage.load(folder)
    path.unlink()
    with pytest.raises(NoInputError, match=r"pytorch_model\.bin"):
        VocosPackage.load(folder)


def test_shapes_that_do_not_fit_are_data_errors(folder):
    model = VocosPackage.load(folder)
    for wav in (np.zeros(0, np.float32), np.zeros(N_FFT // 2, np.float32), np.zeros((2, 500), np.float32)):
        with pytest.raises(DataError):
            model.mel(wav)
    for mel in (np.zeros((5, N_MELS + 1)), np.zeros((1, N_MELS)), np.zeros(N_MELS)):
        with pytest.raises(DataError):
            model.decode(mel)
