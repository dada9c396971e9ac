"""Our Vocos beside the ``vocos`` package: random weights in, the same mel and the same samples out.

Run in an environment of its own, because the package brings torchaudio, whose wheels need CUDA libraries:

    pip install --no-deps vocos==0.1.0 encodec==0.1.1 torchaudio==2.11.0 einops "huggingface_hub<1" tqdm requests
"""

import importlib.util

import numpy as np
import pytest
import torch

from vocoder.vocos import VocosPackage

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(importlib.util.find_spec("vocos") is None, reason="the vocos package is not installed"),
]

# n_mels, n_fft, hop_length, dim, intermediate_dim, num_layers, padding; the first are the sizes of the published model
SIZES = [(100, 1024, 256, 512, 1536, 8, "center"), (100, 1024, 256, 64, 96, 2, "same"), (80, 512, 128, 32, 64, 1, "center")]


@pytest.fixture
def package(pure_torchaudio):
    import vocos

    return vocos.Vocos


def config(n_mels, n_fft, hop_length, dim, intermediate_dim, num_layers, padding):
    return f"""
feature_extractor:
  class_path: vocos.feature_extractors.MelSpectrogramFeatures
  init_args: {{sample_rate: 24000, n_fft: {n_fft}, hop_length: {hop_length}, n_mels: {n_mels}, padding: {padding}}}
backbone:
  class_path: vocos.models.VocosBackbone
  init_args: {{input_channels: {n_mels}, dim: {dim}, intermediate_dim: {intermediate_dim}, num_layers: {num_layers}}}
head:
  class_path: vocos.heads.ISTFTHead
  init_args: {{dim: {dim}, n_fft: {n_fft}, hop_length: {hop_length}, padding: {padding}}}
"""


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[3]}x{size[5]}-{size[6]}")
def test_same_weights_give_the_same_mel_and_samples(package, tmp_path, size):
    (tmp_path / "config.yaml").write_text(config(*size))
    theirs = package.from_hparams(str(tmp_path / "config.yaml")).eval()
    chance = torch.Generator().manual_seed(0)
    with torch.no_grad():  # away from the initial zeros and ones, so that a swapped pair would show
        for parameter in theirs.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=chance)
    torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    ours = VocosPackage.load(tmp_path)

    wav = (0.1 * torch.randn(12_000, generator=chance)).numpy()
    with torch.no_grad():
        mel = theirs.feature_extractor(torch.from_numpy(wav)[None])
        made = theirs.decode(mel)[0].numpy()
    ours_mel = ours.mel(wav)
    np.testing.assert_allclose(ours_mel, mel[0].T.numpy(), atol=1e-5)
    np.testing.assert_allclose(ours.decode(mel[0].T.numpy()), made, atol=1e-5 * np.abs(made).max())


def test_our_own_filter_bank_is_theirs(package):
    from vocos.feature_extractors import MelSpectrogramFeatures

    from vocoder.vocos import Features, htk_filterbank

    theirs = MelSpectrogramFeatures().mel_spec.mel_scale.fb
    np.testing.assert_allclose(htk_filterbank(Features()).numpy(), theirs.numpy(), atol=1e-4)
