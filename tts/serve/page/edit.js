// A recording is edited by its text.

import { decoded, RATE } from "./player.js";
import { Recording } from "./recording.js";
import { save, upload } from "./server.js";

const $ = (id) => document.getElementById(id);
const CANDIDATES = 8; // prosodies that are drawn for the new words

/** `play(samples)`; `say(element, text, isError)`; `spoken()`: {file, text, language, consent} of what was spoken above. */
export function editing({ play, say, spoken }) {
  const recording = new Recording($("edit-recording"));
  const sounds = { old: null, new: null }; // samples
  let [edited, spans] = [null, []]; // the new file; stretches in it that were said anew, in seconds

  recording.onerror = (error) => say($("edit-status"), error.message, true);
  recording.onchange = (samples) => {
    [sounds.old, sounds.new, edited, spans] = [samples, null, null, []];
    show();
  };
  $("edit-old").addEventListener("change", () => { $("edit-new").value ||= $("edit-old").value; });
  $("edit-spoken").addEventListener("click", async () => {
    const { file, text, consent } = await spoken();
    $("edit-old").value = $("edit-new").value = text;
    $("edit-consent").value = consent;
    await recording.take(file, "the speech above.flac");
    $("edit-new").focus();
  });
  $("edit-play-old").addEventListener("click", () => play(sounds.old));
  $("edit-play-new").addEventListener("click", () => play(sounds.new));
  $("edit-save").addEventListener("click", () => save(edited, "edited.wav"));
  new ResizeObserver(show).observe($("edit-view"));

  $("edit").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!recording.file) return say($("edit-status"), "Choose or record a recording first.", true);
    say($("edit-status"), "Saying the new words …");
    try {
      const fields = {
        audio: recording.file, text: $("edit-old").value, to: $("edit-new").value, consent: $("edit-consent").value,
        candidates: CANDIDATES,
      };
      const response = await upload("/v1/audio/edit", fields);
      const told = JSON.parse(response.headers.get("X-Edit"));
      edited = await response.blob();
      [sounds.new, spans] = [await decoded(edited), told.segments_edited];
      const doubts = told.warnings.map((warning) => ` Note: ${warning}`).join("");
      const count = `${spans.length} ${spans.length === 1 ? "stretch" : "stretches"}`;
      say($("edit-status"), `${told.duration.toFixed(1)} s, ${count} said anew.${doubts}`);
      play(sounds.new);
    } catch (error) {
      say($("edit-status"), error.message, true);
    }
    show();
  });

  /** The waveform, with what was said anew marked. */
  function show() {
    const canvas = $("edit-view");
    const samples = sounds.new ?? sounds.old;
    $("edit-play-old").disabled = !sounds.old;
    $("edit-play-new").disabled = $("edit-save").disabled = !sounds.new;
    canvas.hidden = !samples;
    if (!samples) return;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((size) => Math.round(size * devicePixelRatio));
    Object.assign(canvas, { width, height });
    const pen = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    const across = (seconds) => (seconds * RATE * width) / samples.length;
    pen.fillStyle = style.getPropertyValue("--lit");
    for (const [start, end] of spans) pen.fillRect(across(start), 0, Math.max(2, across(end) - across(start)), height);
    pen.fillStyle = style.getPropertyValue("--wave");
    let top = 0.05;
    for (const value of samples) top = Math.max(top, Math.abs(value));
    for (let x = 0; x < width; x++) {
      const [from, to] = [x, x + 1].map((column) => Math.floor((column * samples.length) / width));
      let most = 0;
      for (let i = from; i < to; i++) most = Math.max(most, Math.abs(samples[i]));
      const half = Math.max(0.5, (0.46 * height * most) / top);
      pen.fillRect(x, height / 2 - half, 1, 2 * half);
    }
  }
}
