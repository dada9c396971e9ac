"""Our ECAPA-TDNN beside the ``speechbrain`` package: its checkpoint in, the same embeddings out.

Run in an environment of its own, because the package brings torchaudio, whose wheels need CUDA libraries:

    pip install --no-deps speechbrain==1.1.2 torchaudio==2.11.0 HyperPyYAML ruamel.yaml joblib tqdm requests \
        packaging huggingface_hub
"""

import importlib.util

import pytest
import torch

from tts.base.errors import ModelError
from tts.models.speaker import Ecapa, EcapaConfig

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(importlib.util.find_spec("speechbrain") is None, reason="the speechbrain package is not installed"),
]

# the sizes of spkrec-ecapa-voxceleb, and small ones with a shortcut
SIZES = [
    EcapaConfig(80, (1024, 1024, 1024, 1024, 3072), attention_channels=128, se_channels=128),
    EcapaConfig(40, (24, 32, 32, 32, 96), (5, 3, 3, 3, 1), (1, 2, 3, 4, 1), 16, 8, 12, 24),
]


@pytest.fixture
def package(pure_torchaudio):
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

    return ECAPA_TDNN


@pytest.mark.parametrize("config", SIZES, ids=lambda config: str(config.channels[0]))
@pytest.mark.parametrize("ending", ["ckpt", "safetensors"])
def test_its_checkpoint_gives_its_embeddings(package, tmp_path, config, ending):
    chance = torch.Generator().manual_seed(0)
    theirs = package(
        config.n_bands, lin_neurons=config.dim, channels=list(config.channels), kernel_sizes=list(config.kernel_sizes),
        dilations=list(config.dilations), attention_channels=config.attention_channels,
        res2net_scale=config.res2net_scale, se_channels=config.se_channels,
    ).eval()  # fmt: skip
    with torch.no_grad():  # away from the initial ones and zeros of the norms
        for name, tensor in theirs.state_dict().items():
            if "norm" in name and tensor.is_floating_point():
                tensor += 0.1 * torch.rand(tensor.shape, generator=chance)
    path = tmp_path / f"embedding_model.{ending}"
    if ending == "ckpt":
        torch.save(theirs.state_dict(), path)
    else:
        from safetensors.torch import save_file

        save_file(theirs.state_dict(), path)
    ours = Ecapa.load_speechbrain(path, config)
    features = torch.randn(3, 120, config.n_bands, generator=chance)
    lengths = torch.tensor([120, 90, 60])
    with torch.no_grad():
        expected = theirs(features, lengths / 120)[:, 0]
        found = ours(features, torch.arange(120) < lengths[:, None])
    torch.testing.assert_close(found, expected, atol=1e-5 * expected.abs().max().item(), rtol=1e-4)


def test_another_size_is_refused(package, tmp_path):
    torch.save(package(40, lin_neurons=24, channels=[32] * 4 + [96]).state_dict(), tmp_path / "x.ckpt")
    with pytest.raises(ModelError, match="does not fit"):
        Ecapa.load_speechbrain(tmp_path / "x.ckpt")
