"""The codec model, tiny: shapes, gradients, books as a prefix, options, and what it is before any training."""

from functools import partial

import numpy as np
import pytest
import torch

from codec.encoder import MelEncoder, SeanetEncoder
from codec.model import CodecConfig, CodecModel
from codec.quantize import KINDS
from tts.base.errors import ModelError
from vocoder.fourier import VocoderConfig

VOCODER = VocoderConfig(dim=8, hidden=16, n_blocks=1, n_projections=0)
SIZES = dict(latent_dim=12, codebook_size=32, dim=8, hidden=16, n_encoder_blocks=1, n_decoder_blocks=1, seanet_width=4)
SIZES["vocoder"] = VOCODER


def tiny(**changes) -> CodecModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = CodecModel(CodecConfig(**{**SIZES, **changes}))
        for parameter in model.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.1)
    return model


def speech(batch=2, frames=40, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(320 * frames) / 24_000
    wav = 0.1 * np.sin(2 * np.pi * 150 * t) + 0.01 * rng.standard_normal((batch, len(t)))
    f0 = np.full((batch, frames), 150.0)
    f0[:, ::7] = 0
    return torch.from_numpy(wav).float(), torch.from_numpy(f0).float()


@pytest.mark.parametrize("encoder", ["mel", "seanet"])
@pytest.mark.parametrize("quantizer", KINDS)
def test_samples_go_to_codes_and_back_and_gradients_reach_every_parameter(encoder, quantizer):
    model, (wav, f0) = tiny(encoder=encoder, quantizer=quantizer, group=4 if encoder == "mel" else 1), speech()
    with torch.no_grad():
        latents = model.encoder(speech(20, seed=1)[0]).flatten(0, 1)
    model.quantizer.initialise(latents, torch.Generator().manual_seed(2))
    out = model.train()(wav, f0, n_q=8)
    assert out.wav.shape == wav.shape and out.mel.shape == (2, 40, 100) and out.quantized.codes.shape == (2, 8, 40)
    loss = out.wav.square().mean() + out.mel.square().mean() + out.log_f0.mean() + out.voiced.mean()
    (loss + sum(out.quantized.losses.values())).backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle
    model.eval()
    with torch.inference_mode():
        codes = model.encode(wav)
        assert codes.shape == (2, 8, 40) and torch.equal(model.encode(wav, 4), codes[:, :4])
        assert model.decode(codes[:, :3]).shape == wav.shape


ENCODERS = [partial(MelEncoder, 12, 8, 16, 2), partial(MelEncoder, 12, 8, 16, 2, group=4), partial(SeanetEncoder, 12, 4)]


@pytest.mark.parametrize("encoder", [make(causal=causal) for make in ENCODERS for causal in (False, True)])
def test_a_column_hears_no_more_than_the_receptive_field(encoder):
    wav, _ = speech(1, 60)
    changed = wav.clone()
    changed[:, 320 * 30 : 320 * 31] += 0.1
    with torch.inference_mode():
        moved = (encoder.eval()(wav) != encoder(changed)).any(-1)[0].nonzero()[:, 0]
    before, after = encoder.reach  # of a column, so a column is moved by sound that lies up to ``before`` frames before it
    assert 30 in moved and 30 - moved.min() <= after and moved.max() - 30 <= before


def test_an_unknown_encoder_or_activation_is_refused():
    with pytest.raises(ModelError, match="Known: mel, seanet"):
        CodecConfig(encoder="lstm")
    with pytest.raises(ModelError, match="Known: elu, snake"):
        CodecConfig(seanet_activation="relu")


@pytest.mark.parametrize("joins", [True, False])
def test_the_semantic_path_hears_the_teacher_and_is_taught_by_it(joins):
    model, (wav, f0) = tiny(semantic="aligner", semantic_dim=6, semantic_input=joins), speech()
    features = 3 + 2 * torch.randn(2, 40, 6, generator=torch.Generator().manual_seed(0))
    model.semantic_mean.fill_(3.0)
    model.semantic_std.fill_(2.0)
    assert model.needs_teacher is joins
    if joins:
        torch.nn.init.normal_(model.join.weight, std=0.3)  # zero for the teacher at first
    out = model.train()(wav, f0, quantize=False, semantic=features)
    assert out.semantic.shape == features.shape and out.latent.shape == (2, 40, 12)
    (out.semantic - model.normalised(features)).square().mean().backward()
    parts = ["encoder", "semantic_out", *(["semantic_in", "join"] if joins else [])]
    named = [pair for part in parts for pair in getattr(model, part).named_parameters(part)]
    idle = [name for name, p in named if p.grad is None or not p.grad.any()]
    assert not idle
    if joins:
        with pytest.raises(ModelError, match="hears features of aligner"):
            model.encode(wav)
    else:
        assert model.semantic_in is model.join is None and model.latent(wav).shape == (2, 40, 12)


def test_a_joined_path_begins_as_the_model_without_it():
    model, (wav, _) = CodecModel(CodecConfig(**SIZES, semantic="aligner", semantic_dim=6)), speech()
    with torch.no_grad():
        assert torch.allclose(model.latent(wav, torch.randn(2, 40, 6)), model.encoder(wav), atol=1e-6)


@pytest.mark.parametrize("group", [1, 4])
def test_an_untrained_codec_gives_the_mel_back_from_blocks_that_do_not_correlate(group):
    from vocoder.audio.mel import log_mel

    model = CodecModel(CodecConfig(**{**SIZES, "latent_dim": 192, "group": group})).eval()
    wav = speech(8, 60)[0] * torch.linspace(0.1, 1, 8)[:, None]
    wav = wav + torch.from_numpy(np.random.default_rng(1).standard_normal(tuple(wav.shape))).float().cumsum(1).mul(1e-3)
    mel = log_mel(wav)
    blocks = [(0, 64), (64, 64), (128, 64)]
    model.encoder.orient(mel, blocks)
    model.turn_back()
    with torch.inference_mode():
        latent = model.latent(wav)
        none = torch.zeros(8, dtype=torch.long)
        assert torch.allclose(model.read(latent, none)[1], mel, atol=1e-4)
        covariance = torch.cov(latent.reshape(-1, 192 * group).T)
    assert (covariance - covariance.diag().diag()).abs().max() < 1e-3 * covariance.diagonal().max()
    products = [float(covariance.diagonal()[a : a + 20].clamp(min=1e-9).log().sum()) for a, _ in blocks]
    assert max(products) - min(products) < 0.1 * abs(min(products))  # no block has all the large ones
