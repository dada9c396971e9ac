// The page: a text is spoken, heard and seen while it comes, and changed by hand.

import { Player } from "./player.js";
import { events, onToken, request, samplesOf, save, send } from "./server.js";
import { Timeline } from "./timeline.js";

const $ = (id) => document.getElementById(id);
const SEMITONES = new Intl.NumberFormat("en", { signDisplay: "exceptZero", minimumFractionDigits: 1 });
const PAUSE = 300; // ms without a further change before it is spoken
const BEFORE = 0.4; // s before a changed phone from which it is heard

const player = new Player();
const timeline = new Timeline($("timeline"));
let running = null; // AbortController of the answer that is coming
let asked = null; // fields of what was spoken last
let plan = null; // its prosody, as it is changed
let before = []; // plans to go back to, as JSON; the last is what is spoken
let words = []; // of what was spoken, with their elements
let waiting = 0; // timer of a change

onToken(() => new Promise((resolve) => {
  const dialog = $("token");
  dialog.addEventListener("close", () => resolve($("token-text").value), { once: true });
  dialog.showModal();
}));

$("speak").addEventListener("submit", (event) => {
  event.preventDefault();
  plan = null;
  before = [];
  asked = {
    input: $("text").value,
    language: $("language").value,
    speed: Number($("speed").value),
    pitch_st: Number($("pitch").value),
    ...($("voice").value ? { voice: $("voice").value } : {}),
  };
  speak();
});
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("speak").requestSubmit();
});
$("speed").addEventListener("input", () => { $("speed-told").value = Number($("speed").value).toFixed(2); });
$("pitch").addEventListener("input", () => { $("pitch-told").value = `${SEMITONES.format($("pitch").value)} st`; });
$("stop").addEventListener("click", stop);
$("again").addEventListener("click", () => replay(0));
timeline.onseek = replay;
start();

async function start() {
  try {
    const [{ voices }, { data }] = await Promise.all(["/v1/voices", "/v1/models"].map(async (path) => (await request(path)).json()));
    $("model").textContent = `model ${data[0].id}`;
    const names = new Intl.DisplayNames("en", { type: "language" });
    for (const tag of new Set(voices.map(({ language }) => language))) {
      $("language").append(new Option(names.of(tag), tag));
      const group = Object.assign(document.createElement("optgroup"), { label: names.of(tag) });
      group.append(...voices.filter(({ language }) => language === tag).map(({ id }) => new Option(id, id)));
      $("voice").append(group);
    }
  } catch (error) {
    say(error.message, true);
  }
}

/** Speak what was asked, by the changed plan if there is one, and hear it from `from` seconds on. */
async function speak(from = 0) {
  running?.abort();
  const mine = (running = new AbortController());
  const changed = before.length > 1;
  const fields = changed ? withPlan() : asked;
  player.begin(from);
  say("Speaking …");
  enable();
  try {
    const format = { response_format: "pcm", stream_format: "ndjson", timings: true };
    const response = await send("/v1/audio/speech", { ...fields, ...format }, mine.signal);
    let begun = false;
    for await (const event of events(response)) {
      if (!begun) {
        begun = true;
        timeline.clear(changed ? plan : null);
        read();
        requestAnimationFrame(follow);
      }
      if (event.type === "speech.timings") {
        timeline.time(event);
        event.words.forEach(light);
      } else if (event.type === "speech.audio.delta") {
        const samples = samplesOf(event.audio);
        player.push(samples);
        timeline.hear(samples);
      } else {
        say(`${event.seconds.toFixed(1)} s, ${event.voice}, ${event.language}${event.notes.map((note) => `; ${note.detail || note.reason}`).join("")}`);
      }
    }
    light(null);
    player.end();
    running = null;
  } catch (error) {
    if (mine.signal.aborted) return;
    running = null;
    player.end();
    say(error.message, true);
  }
  enable();
}

function replay(from) {
  running?.abort();
  running = null;
  player.begin(from);
  player.push(timeline.samples);
  player.end();
  enable();
  requestAnimationFrame(follow);
}

function stop() {
  running?.abort();
  running = null;
  player.stop();
  say("Stopped.");
  enable();
}

/** The word and the place that are heard now, as long as something is. */
function follow() {
  const position = player.position;
  for (const { start, end, element } of words) {
    element.classList.toggle("lit", position !== null && start <= position && position < end);
  }
  timeline.draw(position);
  if (player.playing) requestAnimationFrame(follow);
  else enable();
}

let [letters, told] = [[], 0]; // of the text, as code points; how many stand in #read

function read() {
  [words, letters, told] = [[], Array.from(asked.input), 0];
  $("read").replaceChildren();
}

/** The text up to and with a word; null: the rest. */
function light(word) {
  const [first, last] = word?.source ?? [letters.length, letters.length];
  if (first < told) return;
  $("read").append(letters.slice(told, first).join(""));
  told = last;
  if (!word) return;
  const element = Object.assign(document.createElement("span"), { textContent: letters.slice(first, last).join("") });
  $("read").append(element);
  words.push({ ...word, element });
}

function say(text, isError = false) {
  $("status").textContent = text;
  $("status").classList.toggle("error", isError);
}

function enable() {
  $("stop").disabled = !(running || player.playing);
  $("again").disabled = !timeline.seconds;
}
