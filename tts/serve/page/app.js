// The page: a text is spoken, heard and seen while it comes, and changed by hand.

import { cloning } from "./clone.js";
import { editing } from "./edit.js";
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
let states = []; // of the plan, as JSON: as it was predicted, then after each change
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
  states = [];
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
$("undo").addEventListener("click", undo);
$("save").addEventListener("click", async () => {
  try {
    save(await sound(), "speech.flac");
  } catch (error) {
    say(error.message, true);
  }
});
$("save-plan").addEventListener("click", () => {
  save(new Blob([JSON.stringify(plan, null, 1)], { type: "application/json" }), "prosody.json");
});
timeline.onseek = replay;
timeline.onselect = timeline.onchange = showPhone;
timeline.oncommit = changed;
for (const [id, key] of [["phone-ms", "ms"], ["phone-hz", "hz"]]) {
  $(id).addEventListener("change", () => {
    if (!$(id).reportValidity()) return;
    timeline.selected.row[key] = Number($(id).value);
    timeline.refresh();
    changed();
  });
}
cloning({
  say: tell,
  onvoice(id, name) {
    $("yours").hidden = false;
    $("yours").append(new Option(name, id));
    $("voice").value = id;
  },
  onforgotten(id) {
    $("voice").querySelector(`option[value="${id}"]`).remove();
    $("yours").hidden = !$("yours").children.length;
  },
});
editing({
  say: tell,
  play(samples) {
    running?.abort();
    running = null;
    player.begin();
    player.push(samples);
    player.end();
    follow(false);
  },
  spoken: async () => ({ file: await sound(), text: asked.input, consent: "synthetic speech; made on this page; today" }),
});
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault()); // beside a field
start();

async function start() {
  try {
    const { voices } = await (await request("/v1/voices")).json();
    const { data } = await (await request("/v1/models")).json();
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
  clearTimeout(waiting);
  running?.abort();
  const mine = (running = new AbortController());
  const given = states.length > 1 ? plan : null;
  player.begin(from);
  say("Speaking …");
  enable();
  try {
    const format = { response_format: "pcm", stream_format: "ndjson", timings: true };
    const response = await send("/v1/audio/speech", { ...withPlan(), ...format }, mine.signal);
    let begun = false;
    let predicted = null; // what keeps the prosody from being changed
    for await (const event of events(response)) {
      if (!begun) {
        begun = true;
        timeline.clear(given);
        read();
        follow();
      }
      if (event.type === "speech.timings") {
        timeline.time(event);
        event.words.forEach(light);
      } else if (event.type === "speech.audio.delta") {
        const samples = samplesOf(event.audio);
        player.push(samples);
        timeline.hear(samples);
        if (!plan && !predicted) predicted = predict(mine.signal);
      } else {
        $("read").lang = event.language;
        const notes = event.notes.map(({ detail, reason }) => `; ${detail || reason}`).join("");
        say(`${event.seconds.toFixed(1)} s, ${event.voice}, ${event.language}${notes}`);
      }
    }
    light(null);
    player.end();
    const fault = await predicted;
    if (mine.signal.aborted) return;
    running = null;
    if (fault) say(`${$("status").textContent}; it cannot be changed by hand: ${fault}`);
  } catch (error) {
    if (mine.signal.aborted) return;
    running = null;
    player.end();
    say(error.message, true);
  }
  enable();
}

/** The prosody of what is spoken, to be changed by hand; for long texts the reason why not. */
async function predict(signal) {
  try {
    const found = await (await send("/v1/audio/prosody", asked, signal)).json();
    plan = found;
    states = [JSON.stringify(plan)];
    timeline.plan(plan);
    return null;
  } catch (error) {
    return error.message;
  }
}

/** What is asked for, with the changed plan if there is one. */
function withPlan() {
  if (states.length < 2) return asked;
  const { input, voice } = asked;
  return { input, language: plan.language, prosody: plan, ...(voice ? { voice } : {}) };
}

/** The plan was changed: soon it is heard, from a little before the change on. */
function changed() {
  states.push(JSON.stringify(plan));
  speakSoon();
}

function undo() {
  states.pop();
  const { clauses } = JSON.parse(states.at(-1));
  plan.clauses.splice(0, Infinity, ...clauses);
  timeline.refresh();
  speakSoon();
}

function speakSoon() {
  showPhone();
  enable();
  clearTimeout(waiting);
  waiting = setTimeout(() => speak(Math.max(0, (timeline.selected?.start ?? 0) - BEFORE)), PAUSE);
}

function showPhone() {
  const phone = timeline.selected;
  $("phone").hidden = !phone?.row;
  if (!phone?.row) return;
  $("phone-told").textContent = phone.silent ? "The pause" : phone.word ? `${phone.symbol} in “${phone.word}”` : phone.symbol;
  $("phone-ms").value = phone.row.ms;
  $("phone-hz").value = Math.round(phone.row.hz * 10) / 10;
  $("phone-hz").disabled = phone.silent;
}

/** What was spoken last as a file, which tells how it was made. */
async function sound() {
  return (await send("/v1/audio/speech", { ...withPlan(), response_format: "flac" })).blob();
}

function replay(from) {
  running?.abort();
  running = null;
  player.begin(from);
  player.push(timeline.samples);
  player.end();
  follow();
}

function stop() {
  clearTimeout(waiting);
  running?.abort();
  running = null;
  player.stop();
  say("Stopped.");
  enable();
}

let following = 0; // number of the sound that is followed
let lit = null; // element of the word that is heard

/** Show the word and the place that are heard, as long as something is; not those of a recording. */
function follow(isSpeech = true) {
  const mine = ++following;
  const step = () => {
    if (mine !== following) return;
    const position = isSpeech && player.playing ? player.position : null;
    const word = position === null ? null : words.findLast(({ start }) => start <= position);
    const said = word && position < word.end ? word.element : null;
    if (said !== lit) {
      lit?.classList.remove("lit");
      said?.classList.add("lit");
      lit = said;
    }
    timeline.draw(position);
    if (player.playing) requestAnimationFrame(step);
    else enable();
  };
  enable();
  step();
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
  tell($("status"), text, isError);
}

function tell(element, text, isError = false) {
  element.textContent = text;
  element.classList.toggle("error", isError);
}

function enable() {
  $("stop").disabled = !(running || player.playing);
  for (const id of ["again", "save", "edit-spoken"]) $(id).disabled = !timeline.seconds || Boolean(running);
  $("save-plan").disabled = !plan;
  $("undo").disabled = states.length < 2;
}
