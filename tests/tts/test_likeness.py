"""Who speaks: verdicts by the encoder's threshold, embeddings reused only when they fit, two speakers told apart."""

import numpy as np
import pytest
import torch

from tts import likeness
from tts.base.errors import ModelError
from tts.voice import Voice


class Encoder:
    """Embeds the mean of the first two bands as a direction."""

    config = {"model_id": "e1", "threshold": 0.7, "false_accept": 0.02, "other": 1}

    def __call__(self, mel):
        return torch.nn.functional.normalize(mel[..., :2].mean(1), dim=-1)

    def embed(self, mel):
        return self(torch.from_numpy(np.asarray(mel))[None])[0].numpy()


def voice(x, y, n=600, **rest):
    mel = np.zeros((n, 100), np.float32)
    mel[:, 0], mel[:, 1] = x, y
    return Voice("v", mel, **rest)


@pytest.fixture
def encoder(monkeypatch):
    made = Encoder()
    monkeypatch.setattr(likeness, "_encoder", lambda: made)
    return made


def test_the_threshold_and_its_error_rates_are_those_of_the_model(encoder):
    near = likeness.compare(voice(1, 0), voice(1, 0.5))
    assert near.same and near.threshold == 0.7 and near.error_rates == {"false_accept": 0.02}
    assert near.cosine == pytest.approx(1 / np.sqrt(1.25), abs=1e-5)
    assert not likeness.compare(voice(1, 0), voice(0, 1)).same


def test_a_kept_embedding_serves_only_the_encoder_that_made_it(encoder):
    kept = np.array([0, 1], np.float32)
    assert likeness.compare(voice(1, 0, speaker=kept, speaker_model="e1"), voice(0, 1)).same
    assert not likeness.compare(voice(1, 0, speaker=kept, speaker_model="old"), voice(0, 1)).same


def test_two_speakers_are_split_and_one_is_not(encoder):
    rng = np.random.default_rng(0)
    one, other = voice(1, 0).reference, voice(-0.2, 1).reference
    one, other = (mel + 0.05 * rng.standard_normal(mel.shape).astype(np.float32) for mel in (one, other))
    assert likeness.split(encoder, np.concatenate([one, other])) == pytest.approx(-0.2, abs=0.15)
    assert likeness.split(encoder, np.concatenate([one[:300], other[:300], one[:300], other[:300]])) < 0.2
    assert likeness.split(encoder, np.concatenate([one, one])) > 0.9
    assert likeness.split(encoder, one[:300]) is None  # 4 s are too little to tell
    ((code, text),) = likeness.split_warning(-0.2)
    assert code == "speakers" and "-0.20" in text and likeness.split_warning(None) == () == likeness.split_warning(0.9)


def test_without_weights_voices_are_made_and_comparing_says_what_lacks(monkeypatch, spoken):
    def missing():
        raise ModelError("no model here.", code="model.missing")

    monkeypatch.setattr(likeness, "_encoder", missing)
    made = Voice.from_audio((spoken["bdl"], 24_000), consent="a; b; c")
    assert made.speaker is None and made.report.split is None
    with pytest.raises(ModelError, match="no model here"):
        likeness.compare(made, made)

    def damaged():
        raise ModelError("damaged.", code="model.hash")

    monkeypatch.setattr(likeness, "_encoder", damaged)
    with pytest.raises(ModelError, match="damaged"):
        likeness.installed_encoder()


def test_recordings_of_one_and_of_two_people(spoken):
    halves = {name: np.array_split(wav, 2) for name, wav in spoken.items()}
    same = [likeness.compare(*((half, 24_000) for half in pair)).cosine for pair in halves.values()]
    other = likeness.compare((halves["kathleen"][0], 24_000), (halves["bdl"][1], 24_000)).cosine
    assert min(same) > other + 0.2
    alone, together = (
        [Voice.from_audio([(wav, 24_000) for wav in wavs], consent="a; b; c").report.split for wavs in group]
        for group in ([[wav] for wav in spoken.values()], [list(spoken.values())])
    )
    assert together[0] < 0.2 < 0.3 < min(alone)
