"""Extractors on models of the package transformers: random small ones of the same classes, and the layout of the real XLSR-53."""

import pytest
import torch

from codec.units import kmeans, selfsupervised
from codec.units.extractor import unit_extractor
from tts.base.errors import ModelError, UnavailableError, UsageError

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

FRONT = dict(conv_dim=(8,) * 7, conv_kernel=(10, 3, 3, 3, 3, 2, 2), conv_stride=(5, 2, 2, 2, 2, 2, 2), hidden_size=16,
             num_hidden_layers=3, num_attention_heads=2, intermediate_size=24, num_conv_pos_embeddings=8,
             num_conv_pos_embedding_groups=2)  # fmt: skip
LARGE = dict(feat_extract_norm="layer", conv_bias=True, do_stable_layer_norm=True)
BOOKS = dict(num_codevector_groups=2, num_codevectors_per_group=20, codevector_dim=12, proj_codevector_dim=10)
# what config.json of facebook/wav2vec2-large-xlsr-53 says
XLSR_53 = dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096, conv_dim=(512,) * 7,
               num_codevector_groups=2, num_codevectors_per_group=320, codevector_dim=768, proj_codevector_dim=768,
               **LARGE)  # fmt: skip


def saved(folder, model_class, config, normalised=True):
    """A random model with the settings of its samples, as ``from_pretrained`` reads them."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = model_class(config)
        for tensor in model.parameters():
            torch.nn.init.normal_(tensor, std=0.5 if tensor.dim() > 1 else 0.1)
        model.save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=normalised).save_pretrained(folder)
    return model.eval()


def wav(frames, batch=2):
    return 0.1 * torch.randn(batch, 320 * frames, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def xlsr(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "xlsr"
    return folder, saved(folder, transformers.Wav2Vec2ForPreTraining, transformers.Wav2Vec2Config(**FRONT, **LARGE, **BOOKS))


def test_codes_of_xlsr_are_those_that_pre_training_predicts(xlsr):
    folder, model = xlsr
    found = unit_extractor(f"xlsr:{folder}")
    assert found.codebooks.shape == (2, 20, 6) and (found.unit_rate, found.dim) == (50.0, 8)
    heard = []
    found.read, read = lambda padded: heard.append(padded) or read(padded), found.read
    units = found.units(wav(75))
    assert units.shape == (2, 50, 2) and units.dtype == torch.int64 and units.min() >= 0 and 10 < units.max() < 20
    assert torch.equal(found.units(wav(75)[:1]), units[:1])
    vectors = torch.cat([found.codebooks[g][units[..., g]] for g in range(2)], -1)
    with torch.no_grad():
        told = model(heard[0]).projected_quantized_states
        assert torch.allclose(model.project_q(vectors), told, atol=1e-5)


@pytest.mark.parametrize("kind", ["recogniser", "hubert"])
def test_a_model_without_the_quantiser_is_refused(kind, tmp_path):
    if kind == "hubert":
        saved(tmp_path, transformers.HubertModel, transformers.HubertConfig(**FRONT))
    else:
        saved(tmp_path, transformers.Wav2Vec2ForCTC, transformers.Wav2Vec2Config(**FRONT, **LARGE, **BOOKS))
    with pytest.raises(ModelError, match=r"no wav2vec 2\.0 with its pre-training quantiser") as caught:
        unit_extractor(f"xlsr:{tmp_path}")
    assert caught.value.code == "units.no_quantiser"


@pytest.mark.parametrize("kind", ["Hubert", "WavLM", "Wav2Vec2"])
def test_a_layer_is_that_of_the_whole_model(kind, tmp_path):
    large = LARGE if kind == "Wav2Vec2" else {}  # of these the last state is normalised
    config = getattr(transformers, f"{kind}Config")(**FRONT, **large)
    model = saved(tmp_path, getattr(transformers, f"{kind}Model"), config)
    padded = torch.nn.functional.pad(wav(1)[:, :320].repeat(1, 20), (40, 40))
    with torch.no_grad():
        hidden = model(padded, output_hidden_states=True).hidden_states
    for layer in range(4):
        found = unit_extractor(f"transformers:{tmp_path}#{layer}")
        assert found.name.endswith(f"#{layer}") and torch.allclose(found.read(padded), hidden[layer], atol=1e-5)
    mean = unit_extractor(f"transformers:{tmp_path}")
    assert torch.allclose(mean.read(padded), torch.stack(hidden).mean(0), atol=1e-5)
    with pytest.raises(UsageError, match=r"has 3 layers\. Choose 0 to 3"):
        unit_extractor(f"transformers:{tmp_path}#4")


def test_k_means_over_a_layer(tmp_path):
    saved(tmp_path / "hubert", transformers.HubertModel, transformers.HubertConfig(**FRONT), normalised=False)
    layer = unit_extractor(f"transformers:{tmp_path}/hubert#2")
    centres = kmeans.fit(layer, wav(150, batch=3), size=12)
    kmeans.save_centres(tmp_path / "km.safetensors", centres, layer)
    found = unit_extractor(f"kmeans:{tmp_path}/km.safetensors")
    assert found.codebooks.shape == (1, 12, 16) and found.unit_rate == 50.0
    units, features = found.units(wav(30)), layer.unit_features(wav(30))
    assert units.shape == (2, 20, 1)
    assert torch.equal(torch.cdist(features, centres[None].expand(2, -1, -1)).argmin(2), units[..., 0])


def test_a_model_that_is_not_here_is_said(tmp_path):
    with pytest.raises(UnavailableError, match="download=True"):
        unit_extractor(f"xlsr:{tmp_path}/absent")


def test_the_layout_of_the_real_xlsr_53(monkeypatch):
    """2 books of 320 entries of 384 channels; 50 units in a second by our centred padding, 49 without."""
    with torch.device("meta"):
        model = transformers.Wav2Vec2ForPreTraining(transformers.Wav2Vec2Config(**XLSR_53))

    def load(place, local_files_only, output_loading_info):
        return model, {"missing_keys": set()}

    monkeypatch.setattr(transformers.Wav2Vec2ForPreTraining, "from_pretrained", load)
    monkeypatch.setattr(transformers.AutoFeatureExtractor, "from_pretrained",
                        lambda place, local_files_only: transformers.Wav2Vec2FeatureExtractor(do_normalize=True))  # fmt: skip
    found = selfsupervised.XlsrUnits("facebook/wav2vec2-large-xlsr-53")
    assert found.codebooks.shape == (2, 320, 384) and (found.window, found.stride) == (400, 320)
    assert found.unit_rate * 0.02 == 1.0
    second = torch.zeros(1, 16_000, device="meta")
    features = found.run(second)
    assert features.shape == (1, 50, 512) and found.quantise(features).shape == (1, 50, 2)
    assert found.read(second).shape == (1, 49, 512)
