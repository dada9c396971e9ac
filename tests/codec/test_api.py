"""Codec in Python: arrays, batches, files; token files of other weights are refused; files are whole or not there."""

import io

import numpy as np
import pytest
import torch

from codec import Codec, Codes
from codec.api import weights_hash
from codec.quantize.base import exported
from codec.tokenfile import TokenReader
from tests.codec.test_model import SIZES, VOCODER, speech
from tests.codec.test_stream import trained
from tts.base.errors import DataError, UsageError
from vocoder.audio.io import encode_audio
from vocoder.nn.checkpoint import save_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("codec") / "tiny"
    model = trained()
    save_model(
        folder, exported(model.state_dict()), {"kind": "codec", "model": SIZES | {"vocoder": vars(VOCODER)}}, "# tiny", "float32"
    )
    return folder


@pytest.fixture(scope="module")
def codec(folder):
    return Codec.load(folder)


@pytest.fixture(scope="module")
def sound():
    return speech(1, 100, seed=3)[0][0].numpy()[:-100]


def test_arrays_tensors_bytes_files_and_lists_give_the_same_codes(codec, sound, tmp_path):
    codes = codec.encode(sound, 24_000)
    assert codes.codes.shape == (8, 100) and codes.codec == "tiny" and codes.n_samples == len(sound)
    stereo = np.stack([sound, sound], axis=1)
    as_file = encode_audio(sound, 24_000)
    (tmp_path / "a.wav").write_bytes(as_file)
    for other in (codec.encode(torch.from_numpy(sound), 24_000), *codec.encode([stereo, stereo], 24_000)):
        assert np.array_equal(other.codes, codes.codes)
    for other in codec.encode([as_file, tmp_path / "a.wav", io.BytesIO(as_file)]):
        assert (other.codes == codes.codes).mean() > 0.9  # 16 bits
    assert np.array_equal(codec.encode(sound, 24_000, n_books=4).codes, codes.codes[:4])
    assert codec.encode(sound, 24_000, metadata={"who": "me"}).metadata == {"who": "me"}


def test_decoding_gives_as_many_samples_and_a_seed_decides_the_noise(codec, sound, tmp_path):
    codes = codec.encode(sound, 24_000)
    codes.save(tmp_path / "a.ptok")
    one, same, other = codec.decode(codes), codec.decode(tmp_path / "a.ptok"), codec.decode(codes, seed=1)
    assert one.shape == sound.shape and np.array_equal(one, same) and not np.array_equal(one, other)
    assert len(codec.decode([codes, codes])) == 2


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 192_000])
def test_any_rate_becomes_24_khz(codec, rate):
    codes = codec.encode(np.zeros(rate // 2, np.float32), rate)
    assert codes.sample_rate == 24_000 and abs(codes.seconds - 0.5) < 0.001


def test_arrays_need_a_rate_and_files_bring_theirs(codec, sound):
    with pytest.raises(UsageError, match="rate"):
        codec.encode(sound)
    with pytest.raises(UsageError, match="own sample rate"):
        codec.encode(encode_audio(sound, 24_000), 24_000)


def test_codes_of_other_weights_are_refused_unless_forced(codec, sound):
    other = Codec(trained(latent_dim=15), {"name": "other"})
    codes = codec.encode(sound, 24_000)
    with pytest.raises(DataError, match="other"):
        other.decode(codes)
    assert other.decode(codes, force=True).shape == sound.shape
    assert codec.weights == weights_hash(codec.model.quantizer) != other.weights


def test_a_file_goes_to_a_token_file_and_back_in_pieces(codec, sound, tmp_path):
    (tmp_path / "a.wav").write_bytes(encode_audio(sound, 24_000))
    heard = []
    done = codec.encode_file(tmp_path / "a.wav", tmp_path / "a.ptok", n_books=4, metadata={"a": 1}, heard=heard.append)
    assert done.n_bytes == (tmp_path / "a.ptok").stat().st_size and done.frames == 100 and heard[-1] == done.seconds
    codes = Codes.load(tmp_path / "a.ptok")
    assert codes.metadata == {"a": 1} and codes.n_samples == len(sound) and len(codes.codes) == 4
    with open(tmp_path / "a.ptok", "rb") as file:
        samples = np.concatenate(list(codec.decode_stream(TokenReader(file))))
    assert np.array_equal(samples, codec.decode(codes))


def test_a_broken_sound_leaves_no_token_file(codec, sound, tmp_path):
    bad = sound.copy()
    bad[20_000] = np.nan
    with pytest.raises(DataError, match="sample is nan"):
        codec.encode_file((np.concatenate([bad, bad]), 24_000), tmp_path / "a.ptok")
    assert not list(tmp_path.iterdir())


def test_salvage_goes_on_over_damage_and_says_what_is_lost(codec, tmp_path):
    sound = speech(1, 900, seed=4)[0][0].numpy()
    codec.encode(sound, 24_000).save(tmp_path / "a.ptok")
    data = bytearray((tmp_path / "a.ptok").read_bytes())
    data[len(data) // 2] ^= 1
    with pytest.raises(DataError):
        list(codec.decode_stream(TokenReader(io.BytesIO(data))))
    lost = []
    reader = TokenReader(io.BytesIO(data))
    samples = np.concatenate(list(codec.decode_stream(reader, salvage=True, lost=lambda *span: lost.append(span))))
    assert lost == [(4.0, 8.0)] and len(samples) == len(sound) and not samples[24_000 * 5 : 24_000 * 7].any()
