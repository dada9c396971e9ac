"""Consent: a sentence or a record, checked; none, an unfinished or an expired one makes no voice."""

import datetime as dt
import json

import pytest

from tts.base.errors import DataError, NoInputError, NotPermittedError
from tts.consent import check_consent, consent_record, summary

RECORD = {"speaker": "Jane Doe", "relation": "written_permission", "statement": "May be cloned for tests.", "date": "2026-11-01"}
TODAY = dt.datetime.now(dt.UTC).date()


def test_a_sentence_is_kept_word_for_word():
    assert consent_record(" Jane Doe; in writing; 2026 ") == {"kind": "asserted", "statement": "Jane Doe; in writing; 2026"}


def test_a_record_is_kept_with_all_its_fields_from_a_dict_or_a_file(tmp_path):
    full = RECORD | {"evidence_sha256": "ab" * 32, "scope": "tests", "expires": str(TODAY), "contact": "jane@example.org"}
    assert consent_record(full) == {"kind": "record", **full}
    (tmp_path / "c.json").write_text(json.dumps(full))
    for given in (tmp_path / "c.json", str(tmp_path / "c.json")):
        assert consent_record(given) == {"kind": "record", **full}
    assert consent_record(consent_record(full)) == {"kind": "record", **full}


@pytest.mark.parametrize("nothing", [None, "", "  ", {}, [], 0])
def test_nothing_is_no_consent_and_the_ways_are_named(nothing):
    with pytest.raises(NotPermittedError, match=r"who agreed.*JSON file") as caught:
        consent_record(nothing, "me.wav")
    assert caught.value.exit_code == 77 and caught.value.where == "me.wav"


BAD = {
    "a field lacks": ({k: v for k, v in RECORD.items() if k != "date"}, "lacks date"),
    "an unknown field": (RECORD | {"signature": "x"}, "no field 'signature'"),
    "another kind": (RECORD | {"kind": "asserted"}, "no field 'kind'"),
    "an empty field": (RECORD | {"speaker": " "}, "speaker is a text"),
    "a number": (RECORD | {"contact": 5}, "contact is a text"),
    "a long text": (RECORD | {"statement": "x" * 2001}, "statement is a text of 1 to 2000"),
    "a relation": (RECORD | {"relation": "friend"}, "relation is one of self, .* not 'friend'"),
    "a day in words": (RECORD | {"date": "yesterday"}, "date is a day such as"),
    "a 31 April": (RECORD | {"date": "2026-04-31"}, "date is a day such as"),
    "an end in words": (RECORD | {"expires": "never"}, "expires is a day"),
    "a hash": (RECORD | {"evidence_sha256": "AB" * 32}, "64 hexadecimal"),
    "a list": ([RECORD], "a sentence, or a record"),
    "a number for all": (5, "a sentence, or a record"),
    "a long sentence": ("x" * 2001, "longer than 2000"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_malformed_record_is_refused_with_its_fault(case):
    given, message = BAD[case]
    with pytest.raises(DataError, match=message) as caught:
        consent_record(given)
    assert caught.value.code == "consent.malformed"


def test_a_file_that_is_missing_or_no_json_is_refused(tmp_path):
    with pytest.raises(NoInputError):
        consent_record(str(tmp_path / "none.json"))
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(DataError):
        consent_record(tmp_path / "bad.json")


def test_an_expired_consent_is_refused_from_the_day_after():
    yesterday = str(TODAY - dt.timedelta(days=2))
    with pytest.raises(NotPermittedError, match=f"Jane Doe expired on {yesterday}") as caught:
        consent_record(RECORD | {"expires": yesterday})
    assert caught.value.code == "consent.expired"
    check_consent({"kind": "dataset_licence", "corpus": "x"}, "x")
    check_consent({"kind": "mix", "parts": "?"}, "x")


def test_a_line_for_people():
    assert summary({"kind": "asserted", "statement": "a; b"}) == "asserted: a; b"
    assert summary(RECORD | {"kind": "record", "expires": "2030-01-01"}).endswith("2026-11-01, until 2030-01-01")
    assert summary({"kind": "mix", "parts": [{"name": "x", "consent": {"kind": "asserted"}}]}) == "x: asserted"
