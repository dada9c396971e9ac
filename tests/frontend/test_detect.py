"""Language by script and by letters; tags doubted only with reason; words of foreign scripts spoken all the same."""

import pytest

import frontend
from frontend.detect import detect, doubt, language_of_script, script_of

SAMPLES = {
    "en-us": "The weather was fine, and we walked along the river until it was dark.",
    "de": "Das Wetter war schön, und wir gingen am Fluss entlang, bis es dunkel wurde.",
    "nl": "Het weer was mooi en we wandelden langs de rivier tot het donker werd.",
    "fr": "Il faisait beau et nous avons marché le long de la rivière jusqu'à la nuit.",
    "cmn": "天气很好，我们沿着河走到天黑。",
    "es": "Hacía buen tiempo y caminamos junto al río hasta que oscureció.",
    "it": "Il tempo era bello e abbiamo camminato lungo il fiume fino a sera.",
    "pl": "Pogoda była ładna i szliśmy wzdłuż rzeki, aż zrobiło się ciemno.",
    "ru": "Погода была хорошая, и мы гуляли вдоль реки до темноты.",
    "uk": "Погода була гарна, і ми гуляли вздовж річки до темряви.",
    "ja": "天気が良かったので、暗くなるまで川沿いを歩いた。",
    "ko": "날씨가 좋아서 우리는 어두워질 때까지 강가를 걸었다.",
    "el": "Ο καιρός ήταν καλός και περπατήσαμε δίπλα στο ποτάμι.",
    "he": "מזג האוויר היה נאה והלכנו לאורך הנהר.",
    "hi": "मौसम अच्छा था और हम नदी के किनारे चलते रहे।",
    "ml": "കാലാവസ്ഥ നല്ലതായിരുന്നു.",
    "th": "อากาศดีและเราเดินเลียบแม่น้ำ",
}
LATIN = ("en-us", "de", "nl", "fr", "es", "it", "pl")


@pytest.mark.parametrize("language", SAMPLES)
def test_the_language_of_a_sentence_is_found(language):
    assert detect(SAMPLES[language]) == language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Hello", "en-us"),
        ("Hi.", "en-us"),
        ("OK", "en-us"),
        ("Stop", "en-us"),
        ("Guten Morgen", "de"),
        ("Hallo", "de"),
        ("Ja.", "de"),
        ("Nee.", "nl"),
        ("Wat?", "nl"),
        ("Hallo, hoe is het?", "nl"),
        ("Oui.", "fr"),
        ("Merci !", "fr"),
        ("No.", "en-us"),
        ("Goedemorgen allemaal", "nl"),
        ("Bonjour", "fr"),
        ("你好", "cmn"),
        ("123", "en-us"),
        ("Help!", "en-us"),
        ("Fire!", "en-us"),
        ("Run!", "en-us"),
        ("Well.", "en-us"),
        ("Error 404", "en-us"),
        ("Kindergarten is fun.", "en-us"),
        ("ja ja ja", "de"),
        ("Hilfe!", "de"),
        ("Vielen Dank", "de"),
        ("Kapitel 1", "de"),
        ("Au secours !", "fr"),
        ("Buenos días", "es"),
        ("Dzień dobry", "pl"),
        ("", "en-us"),
    ],
)
def test_a_word_or_two_are_enough_for_the_house_languages(text, language):
    assert detect(text) == language


@pytest.mark.parametrize("language", SAMPLES)
def test_a_right_tag_is_not_doubted(language):
    assert doubt(SAMPLES[language], language) is None


@pytest.mark.parametrize(("text_in", "tagged"), [(a, b) for a in LATIN for b in LATIN if a != b])
def test_a_wrong_tag_is_doubted_with_the_right_guess(text_in, tagged):
    assert doubt(SAMPLES[text_in], tagged)[0] == text_in


def test_short_text_is_not_doubted():
    assert doubt("Guten Morgen", "en-us") is None


def test_a_doubted_tag_is_obeyed_and_noted():
    analysis = frontend.analyze(SAMPLES["de"], "en-us")
    note = next(note for note in analysis.notes if note.reason == "lang_mismatch")
    assert analysis.language == "en-us" and note.kind == "language" and "de" in note.detail


@pytest.mark.parametrize(
    ("char", "script"),
    [
        ("a", "LATIN"),
        ("é", "LATIN"),
        ("я", "CYRILLIC"),
        ("你", "CJK"),
        ("か", "HIRAGANA"),
        ("1", ""),
        (" ", ""),
        ("ꙮ", "CYRILLIC"),
    ],
)
def test_scripts(char, script):
    assert script_of(char) == script


def test_words_of_a_foreign_script_get_a_language_that_speaks_it():
    assert language_of_script("CYRILLIC", "en-us") == "ru"
    assert language_of_script("CYRILLIC", "uk") is None
    assert language_of_script("LATIN", "cmn") == "en-us"
    assert language_of_script("CJK", "en-us", has_kana=True) == "ja"
    assert language_of_script("CJK", "ja") is None
    analysis = frontend.analyze("He said привет and 你好 to us.", "en-us")
    langs = {word.text: int(clause.langs[word.first_phone]) for clause in analysis.clauses for word in clause.words}
    number = {language.tag: language.id for language in frontend.languages()}
    assert langs["привет"] == number["ru"] and langs["He"] == number["en-us"]
    assert any(langs[word] == number["cmn"] for word in langs if word[0] in "你好")


def test_a_paragraph_surely_in_another_language_is_read_in_its_own_where_none_was_given():
    english, chinese = SAMPLES["en-us"], SAMPLES["cmn"]
    text = f"{english} {english}\n\n{SAMPLES['de']} Es war der 3. Mai.\n\n{chinese}{chinese}\n\nBonjour.\n\n{english}"
    analysis = frontend.analyze(text)
    assert analysis.language == "en-us"
    assert [clause.language for clause in analysis.clauses] == ["en-us", "en-us", "de", "de", "cmn", "cmn", "en-us", "en-us"]
    assert any(clause.normalized == "Es war der dritte Mai." for clause in analysis.clauses)
    notes = [note for note in analysis.notes if note.reason == "paragraph"]
    assert [(note.kind, note.detail.split()[2]) for note in notes] == [("language", "de"), ("language", "cmn")]
    assert text[notes[0].start : notes[0].end].startswith("Das Wetter")
    assert {clause.language for clause in frontend.analyze(text, "en-us").clauses} == {"en-us"}
