"""Streams: cut anywhere, they give the codes and samples of the whole; lost frames fade; memory does not grow."""

import numpy as np
import pytest
import torch

from codec.api import Codec
from codec.model import CodecModel
from codec.stream import Window
from tests.codec.test_model import speech, tiny
from tts.base.errors import DataError, UsageError
from tts.base.rng import normal
from vocoder.excitation import DEFAULT_LOG_F0, PulseStream, bridged_log_f0, pulse_train
from vocoder.fourier import VocoderConfig


def trained(**changes) -> CodecModel:
    model = tiny(**changes)
    with torch.no_grad():
        latents = model.encoder(speech(20, seed=1)[0]).flatten(0, 1)
    model.quantizer.initialise(latents, torch.Generator().manual_seed(2))
    return model


@pytest.fixture(scope="module", params=["ahead", "causal", "attention", "causal seanet", "pairs"])
def codec(request):
    vocoder = dict(dim=8, hidden=16, n_blocks=1)
    causal = "causal" in request.param
    changes = {"causal": causal, "vocoder": VocoderConfig(**vocoder, n_projections=0 if causal else 1, causal=causal)}
    changes |= {"attention_frames": 5} if request.param == "attention" else {}
    changes |= {"encoder": "seanet", "group": 1} if "seanet" in request.param else {}
    changes |= {"group": 2} if request.param == "pairs" else {}
    return Codec(trained(**changes), {"name": "tiny"})


@pytest.fixture(scope="module")
def sound():
    return speech(1, 120, seed=3)[0][0].numpy()[:-100]


def whole(codec, sound):
    """Codes and samples by the model alone, in one piece."""
    wav = torch.from_numpy(np.pad(sound, (0, -len(sound) % 320)))[None]
    with torch.inference_mode():
        codes = codec.model.encode(wav)
        noise = torch.from_numpy(normal(0, "codec", tuple(wav.shape)))
        return codes[0].numpy(), codec.model.decode(codes, noise)[0, : len(sound)].numpy()


def check_equal_but_for_ties(codec, sound, one, other):
    """Latents of different pieces differ in their last bits, which decides where two codes are equally near."""
    assert one.shape == other.shape and (one != other).any(axis=0).mean() <= 0.05  # how many depends on the processor
    with torch.inference_mode():
        latent = codec.model.latent(torch.from_numpy(np.pad(sound, (0, -len(sound) % 320)))[None])[0]
        for t in np.flatnonzero((one != other).any(axis=0)):
            q = np.flatnonzero(one[:, t] != other[:, t])[0] + 1
            both = [codec.model.quantizer.decode(torch.from_numpy(codes[None, :q, t : t + 1]).long()) for codes in (one, other)]
            near, far = ((latent[t] - decoded[0, 0]).square().sum() for decoded in both)
            assert abs(near - far) < 1e-5 * latent[t].square().sum()


@pytest.mark.parametrize("chunk", [5, 50, 300])
def test_a_sound_cut_anywhere_gives_the_codes_and_samples_of_the_whole(codec, sound, chunk):
    codes, samples = whole(codec, sound)
    rng = np.random.default_rng(chunk)
    pieces = np.split(sound, np.sort(rng.integers(0, len(sound), 15)))
    streamed = np.concatenate(list(codec.stream(pieces, chunk=chunk)), axis=1)
    check_equal_but_for_ties(codec, sound, streamed, codes)
    cuts = np.sort(rng.integers(0, codes.shape[1], 9))
    decoded = np.concatenate(list(codec.stream_decode(np.split(codes, cuts, axis=1), chunk=chunk)))
    assert np.abs(decoded[: len(sound)] - samples).max() <= 1e-5 * np.abs(samples).max()


def test_the_first_codes_and_samples_come_after_the_stated_latency(codec, sound):
    for chunk in (1, 20):
        before_codes, before_samples = (round(seconds * codec.frame_rate) for seconds in codec.latency(chunk))
        encoder, decoder = codec.encoder(chunk=chunk), codec.decoder(chunk=chunk)
        first = next(t for t in range(1, 120) if encoder.push(sound[320 * (t - 1) : 320 * t]).shape[1])
        assert first == before_codes
        codes = codec.encode(sound, 24_000).codes
        first = next(t for t in range(1, 120) if len(decoder.push(codes[:, t - 1 : t])))
        assert first == before_samples


def test_a_causal_codec_waits_for_less():
    vocoder = VocoderConfig(dim=8, hidden=16, n_blocks=1, n_projections=0, causal=True)
    model = tiny(causal=True, vocoder=vocoder)
    assert model.encoder_reach[1] == 2 + 3 and model.decoder_reach[1] == 4 + 3  # a group of 4 waits for its last frame
    assert tiny().encoder_reach[1] > 2 and tiny().decoder_reach[1] > 4


def test_what_a_stream_keeps_does_not_grow(codec):
    encoder, decoder = codec.encoder(chunk=20), codec.decoder(chunk=20)
    kept = []
    for i in range(40):
        decoder.push(encoder.push(speech(1, 25, seed=i)[0][0].numpy()))
        kept.append((len(encoder._waiting), decoder._controls._kept[0].shape[1] if decoder._controls._kept else 0))
    assert max(kept[20:]) <= max(kept[:20]) and encoder.n_samples == 40 * 25 * 320


def test_lost_frames_fade_out_and_speech_comes_back_unchanged(codec, sound):
    codes = codec.encode(sound, 24_000).codes
    samples = np.concatenate(list(codec.stream_decode([codes])))
    broken = codes.copy()
    broken[:, 50:80] = -1
    faded = np.concatenate(list(codec.stream_decode([broken])))
    after = codec.model.decoder_reach[1]
    assert np.isfinite(faded).all() and not faded[320 * 55 : 320 * 79].any()
    assert np.array_equal(faded[: 320 * (50 - after)], samples[: 320 * (50 - after)])
    silent_start = codes.copy()
    silent_start[:, :10] = -1
    assert not np.concatenate(list(codec.stream_decode([silent_start])))[: 320 * 9].any()


def test_codes_and_books_that_the_codec_does_not_have_are_refused(codec):
    with pytest.raises(DataError, match="reach 32"):
        codec.decoder().push(np.full((3, 2), 32))
    with pytest.raises(DataError, match="of shape"):
        codec.decoder().push(np.zeros((9, 2), int))
    with pytest.raises(UsageError, match="3 to 8"):
        codec.encoder(2)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_pulses_in_pieces_are_those_of_the_whole(size):
    f0 = speech(1, 60)[1] * torch.linspace(0.7, 1.4, 60)
    held = bridged_log_f0(f0, torch.tensor([DEFAULT_LOG_F0]))
    expected, stream = pulse_train(f0, held=held)[0], PulseStream()
    parts = []
    for start in range(0, 60, size):
        piece = f0[:, start : start + size]
        pulses, its_held = stream.push(piece)
        again = pulses.shape[1] - 320 * piece.shape[1]
        parts = [torch.cat(parts)[: -again or None]] if parts else []
        parts.append(pulses[0])
        assert torch.equal(its_held, held[:, start : start + size])
    assert torch.allclose(torch.cat(parts), expected, atol=1e-5)


def test_a_window_gives_out_every_frame_once_with_its_surroundings():
    window, seen = Window(2, 3), []
    for start in range(0, 20, 5):
        window.push(torch.arange(start, start + 5.0).view(1, -1, 1))
        for (frames,), a, b in window.pieces(4, final=start == 15):
            seen += frames[0, a:b, 0].tolist()
            assert frames[0, 0, 0] >= seen[-1] - 2 - 4 and frames.shape[1] - b <= 3
    assert seen == list(range(20)) and window.left == 0
