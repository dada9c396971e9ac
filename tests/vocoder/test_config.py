"""Configs are dataclasses: what they do not know is refused with the nearest name."""

from dataclasses import dataclass, field
from typing import Literal

import pytest

from tts.base.errors import ModelError
from vocoder.nn.config import from_dict, to_dict


@dataclass(frozen=True)
class Inner:
    width: int = 8
    dilations: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Outer:
    learning_rate: float
    name: str | None = None
    mode: Literal["a", "b"] = "a"
    pair: tuple[int, float] = (1, 2.0)
    inner: Inner = field(default_factory=Inner)
    parts: tuple[Inner, ...] = ()
    flag: bool = False


def test_dict_and_dataclass_are_the_same_thing():
    config = Outer(1e-3, "x", "b", (3, 4.0), Inner(16, (1, 3, 9)), (Inner(), Inner(2)), True)
    again = from_dict(Outer, to_dict(config))
    assert again == config and isinstance(again.inner.dilations, tuple) and isinstance(again.parts[1], Inner)
    assert from_dict(Outer, {"learning_rate": 1}).learning_rate == 1.0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"learning_rate": 1, "nmae": "x"}, "has no key 'nmae'. Did you mean 'name'?"),
        ({"learning_rate": 1, "inner": {"widht": 1}}, "c.json: inner: Inner has no key 'widht'. Did you mean 'width'?"),
        ({}, "needs learning_rate"),
        ({"learning_rate": "fast"}, "must be float, found 'fast'"),
        ({"learning_rate": 1, "inner": {"width": 1.5}}, "must be int"),
        ({"learning_rate": 1, "inner": {"width": True}}, "must be int"),
        ({"learning_rate": 1, "flag": 1}, "must be bool"),
        ({"learning_rate": 1, "mode": "c"}, "one of 'a', 'b'"),
        ({"learning_rate": 1, "pair": [1]}, "a list of 2"),
        ({"learning_rate": 1, "inner": {"dilations": 3}}, "must be a list"),
        ({"learning_rate": 1, "parts": [{}, 3]}, "found int"),
        ([], "found list"),
    ],
)
def test_faults_name_the_key(data, message):
    with pytest.raises(ModelError) as caught:
        from_dict(Outer, data, "c.json")
    assert message in str(caught.value)
