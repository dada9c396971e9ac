"""The page in a real browser, headless: what a person types, hears, sees, drags, records and edits."""

import json
import shutil
import time
from functools import partial

import numpy as np
import pytest

from tests.serve.conftest import RATE, serving
from tests.serve.conftest import until as until_in
from tts.api import Synthesizer
from tts.serve.server import Settings
from vocoder.audio.io import write_audio
from vocoder.audio.pitch import track_pitch

selenium = pytest.importorskip("selenium", reason="selenium is not installed")
CHROMIUM, DRIVER = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium here: apt-get install chromium chromium-driver")

until = partial(until_in, seconds=60)  # the models are loaded on the way
TEXT = "We met on Monday, and then we walked to the old station."
#: Before every page: what is given to the sound card, and which words were lit.
WATCH = """
window.heard = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (at) {
  heard.push({ at, samples: Array.from(this.buffer.getChannelData(0)) });
  return start.call(this, at);
};
window.lit = [];
new MutationObserver((changes) => {
  for (const { target } of changes) {
    if (target.className === "lit" && lit.at(-1) !== target.textContent) lit.push(target.textContent);
  }
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["class"] });
"""


@pytest.fixture(scope="module")
def take(tmp_path_factory):
    """A recording of ``TEXT``."""
    path = tmp_path_factory.mktemp("take") / "take.wav"
    write_audio(path, Synthesizer().synth(TEXT, voice="bdl", language="en").samples, RATE)
    return path


@pytest.fixture(scope="module")
def browser(take):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "autoplay-policy=no-user-gesture-required",
                 "window-size=1100,1800", "use-fake-ui-for-media-stream", "use-fake-device-for-media-stream",
                 f"use-file-for-fake-audio-capture={take}"):  # fmt: skip
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def house():
    with serving(Synthesizer()) as server:
        server.service.warm()
        yield server


@pytest.fixture
def page(browser, house):
    """The page of the house model. In the end: nothing was asked of another machine, and nothing failed unseen."""
    made = Page(browser, house.port)
    yield made
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    places = {event["params"]["request"]["url"] for event in asked if event["method"] == "Network.requestWillBeSent"}
    assert f"{made.origin}/page/app.js" in places
    assert not [place for place in places if not place.startswith((f"{made.origin}/", f"blob:{made.origin}/"))]
    faults = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE" and entry["source"] != "network"]
    assert not faults  # of a script, or against the policy; refusals of the server are told on the page


class Page:
    """What a person does and sees."""

    def __init__(self, browser, port):
        from selenium.webdriver import ActionChains, Keys

        self.browser, self.keys, self.origin = browser, Keys, f"http://127.0.0.1:{port}"
        self.act = lambda: ActionChains(browser, duration=20)
        browser.get(f"{self.origin}/")

    def one(self, selector):
        return self.browser.find_element("css selector", selector)

    def all(self, selector):
        return self.browser.find_elements("css selector", selector)

    def run(self, script, *arguments):
        return self.browser.execute_script(f"return {script}", *arguments)

    def write(self, selector, text):
        self.one(selector).click()
        self.one(selector).send_keys(self.keys.CONTROL + "a")
        self.one(selector).send_keys(text)

    def told(self, selector="#status"):
        return self.one(selector).text

    def until_told(self, begins, selector="#status"):
        until(lambda: self.told(selector)[: len(begins)] == begins)

    def speak(self, text, voice="bdl"):
        """Say a text; the seconds that the page tells."""
        until(lambda: self.all(f"#voice option[value={voice}]"))
        self.write("#text", text)
        self.one(f"#voice option[value={voice}]").click()
        self.run("heard.length = lit.length = 0")
        self.one("#speak .main").click()
        return self.seconds()

    def seconds(self):
        """Of what is spoken, when all has come and can be changed."""
        found = []
        until(lambda: self.one("#again").is_enabled() and (told := self.told()).endswith("en-us") and found.append(told) is None)
        return float(found[0].split()[0])

    def heard(self):
        """(times [N] at which pieces begin, their samples) since the last time."""
        pieces = self.run("heard.splice(0)")
        return [piece["at"] for piece in pieces], [np.array(piece["samples"]) for piece in pieces]

    def colours(self, selector, top=0.0, bottom=1.0):
        """How many colours a part of a canvas has."""
        return self.run(
            """((canvas, top, bottom) => {
              const first = Math.floor(top * canvas.height), rows = Math.floor(bottom * canvas.height) - first;
              const { data } = canvas.getContext("2d").getImageData(0, first, canvas.width, rows);
              return new Set(new Uint32Array(data.buffer)).size;
            })(...arguments)""", self.one(selector), top, bottom,
        )  # fmt: skip


def test_a_text_is_heard_while_it_comes_its_words_light_up_and_all_lanes_are_painted(page):
    seconds = page.speak(f"{TEXT} It was late.")
    until(lambda: not page.one("#stop").is_enabled())  # all is played
    begins, pieces = page.heard()
    lengths = [len(piece) / RATE for piece in pieces]
    assert len(pieces) > 3 and sum(lengths) == pytest.approx(seconds, abs=0.06)
    holes = np.diff(begins) - lengths[:-1]
    assert holes.min() > -1e-3 and holes.sum() < 0.5  # one after the other; on a busy machine a piece may be late
    assert max(np.abs(piece).max() for piece in pieces) > 0.1
    words = ["We", "met", "on", "Monday", "and", "then", "we", "walked", "to", "the", "old", "station", "It", "was", "late"]
    lit = page.run("lit")
    assert lit == [word for word in words if word in lit] and len(lit) > len(words) / 2  # frames may be late too
    assert page.told("#read") == f"{TEXT} It was late."
    for top, bottom in ((0.07, 0.22), (0.26, 0.56), (0.6, 0.85)):  # waveform, mel, pitch
        assert page.colours("#timeline canvas", top, bottom) > 2
    assert page.colours("#timeline canvas", 0.26, 0.56) > 50
    phones = [phone.text for phone in page.all(".phones button")]
    assert "".join(phones[1:4]) == "wim" and len(phones) > 40


def test_a_phone_is_changed_by_key_and_by_pointer_and_the_change_is_heard(page):
    seconds = page.speak(TEXT)
    page.heard()
    phones = page.all(".phones button")
    n = next(i for i, phone in enumerate(phones) if phone.get_attribute("aria-label").startswith("ɛ in met"))
    while page.run("document.activeElement.parentElement.className") != "phones":  # by keys alone
        page.act().send_keys(page.keys.TAB).perform()
    page.act().send_keys(page.keys.ARROW_RIGHT * n).perform()
    before = [float(page.one(f"#phone-{key}").get_attribute("value")) for key in ("ms", "hz")]
    page.act().key_down(page.keys.SHIFT).send_keys(page.keys.ARROW_RIGHT * 15).key_up(page.keys.SHIFT).perform()
    assert float(page.one("#phone-ms").get_attribute("value")) == pytest.approx(before[0] + 200, abs=0.2)
    until(lambda: page.seconds() == pytest.approx(seconds + 0.2, abs=0.06))
    lower = np.concatenate(page.heard()[1])

    canvas, phone = page.one("#timeline canvas"), page.all(".phones button")[n].rect
    x = phone["x"] + phone["width"] / 2 - canvas.rect["x"] - canvas.rect["width"] / 2
    on_pitch = page.act().move_to_element_with_offset(canvas, int(x), 266 - 366 // 2)
    on_pitch.click_and_hold().move_by_offset(0, -30).release().perform()
    assert float(page.one("#phone-hz").get_attribute("value")) > before[1] * 1.15
    until(lambda: page.run("heard.length") and page.one("#again").is_enabled())
    higher = np.concatenate(page.heard()[1])
    middles = [np.median(f0[f0 > 0]) for f0 in (track_pitch(each[9_600:16_000].astype(np.float32)) for each in (lower, higher))]
    assert middles[1] > middles[0] * 1.05

    page.act().drag_and_drop_by_offset(page.all(".phones .edge")[n], -40, 0).perform()
    until(lambda: page.seconds() < seconds + 0.15)
    for _ in range(2):
        page.one("#undo").click()
    until(lambda: page.seconds() == pytest.approx(seconds + 0.2, abs=0.06))
    assert float(page.one("#phone-hz").get_attribute("value")) == pytest.approx(before[1], abs=0.1)


def test_a_voice_is_cloned_from_the_microphone_only_with_consent(page, house):
    page.one("#clone-recording button").click()
    page.until_told("Recording", "#clone-recording .hint")
    time.sleep(4)
    page.one("#clone-recording button").click()
    page.until_told("your recording, ", "#clone-recording .hint")
    page.one("#clone .main").click()
    assert page.run("document.querySelectorAll('#clone :invalid').length") == 2 and not page.told("#clone-status")
    page.write("#clone-consent", " ")
    page.one("#clone [type=checkbox]").click()
    page.one("#clone .main").click()
    page.until_told("consent: cloning a voice needs the consent", "#clone-status")
    page.write("#clone-consent", "a house voice; for this test; today")
    page.one("#clone .main").click()
    page.until_told("mine can speak now", "#clone-status")
    name = page.one("#voice").get_attribute("value")
    assert house.service.clones.get(name).consent["statement"] == "a house voice; for this test; today"
    assert page.speak("It was late.", name) > 0.4 and ", mine, " in page.told()
    page.one("#clone-forget").click()
    page.until_told("mine is forgotten", "#clone-status")
    assert name not in house.service.clones and page.one("#voice").get_attribute("value") == ""


def test_a_recording_is_edited_by_its_text(page, take):
    page.one("#edit-recording input").send_keys(str(take))
    page.until_told("take.wav, 3", "#edit-recording .hint")
    page.write("#edit-old", TEXT)
    page.write("#edit-new", TEXT.replace("Monday", "Friday").replace("old ", ""))
    page.one("#edit .main").click()
    assert not page.told("#edit-status")  # no consent yet
    page.write("#edit-consent", "a house voice; for this test; today")
    plain = page.colours("#edit-view")
    page.one("#edit .main").click()
    until(lambda: "2 stretches said anew" in page.told("#edit-status"))
    until(lambda: page.run("heard.length") == 1)
    (edited,) = page.heard()[1]
    assert abs(len(edited) / RATE - float(page.told("#edit-status").split()[0])) < 0.1
    assert page.colours("#edit-view") > plain
    page.one("#edit-play-old").click()
    (old,) = page.heard()[1]
    assert len(old) / RATE == pytest.approx(3.1, abs=0.2) and np.abs(edited[:9000] - old[:9000]).max() < 1e-4


def test_a_file_is_dropped_and_what_is_no_recording_is_told(page):
    page.run(
        """((place) => {
          const data = new DataTransfer();
          data.items.add(new File(["no sound"], "x.wav"));
          place.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        })(...arguments)""", page.one("#clone-recording"),
    )  # fmt: skip
    page.until_told("x.wav is no recording", "#clone-status")


def test_the_page_asks_for_the_token_of_the_server(browser, serve, hum):
    with serve(hum, Settings(token="t" * 32)) as server:
        page = Page(browser, server.port)
        until(lambda: page.one("#token").is_displayed())
        assert not page.all("#voice option[value=kathleen]")
        for token in ("wrong", "t" * 32):
            page.write("#token-text", token + page.keys.ENTER)
            until(lambda: page.run("performance.getEntriesByType('resource').length") > 0)
        until(lambda: page.all("#voice option[value=kathleen]"))
    browser.get("about:blank")
    for kind in ("browser", "performance"):
        browser.get_log(kind)
