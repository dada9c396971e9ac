// A recording of a person: chosen, dropped, or taken from the microphone.

import { decoded, RATE } from "./player.js";

const KEPT = /\.(wav|flac|ogg|opus|mp3)$/i; // the server reads these as they are

/** A field for a recording, in a `.drop` element with a file input and a button that records. */
export class Recording {
  onchange = () => {}; // there is another recording
  onerror = () => {};
  file = null; // Blob that the server reads

  constructor(root) {
    this.root = root;
    this.input = root.querySelector("input");
    this.button = root.querySelector("button");
    this.told = root.querySelector(".hint");
    this.input.addEventListener("change", () => this.take(this.input.files[0]));
    for (const [name, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
      root.addEventListener(name, (event) => {
        event.preventDefault();
        root.classList.toggle("over", over);
        if (name === "drop") this.take(event.dataTransfer.files[0]);
      });
    }
    this.button.addEventListener("click", () => this.#record());
    this.button.hidden = !navigator.mediaDevices; // only this machine and encrypted pages get the microphone
  }

  /** Use a file, as it is if the server reads it, else as its samples. */
  async take(file, name = file?.name) {
    if (!file) return;
    try {
      const samples = await decoded(file);
      this.file = KEPT.test(name) ? file : wavOf(samples);
      this.told.textContent = `${name}, ${(samples.length / RATE).toFixed(1)} s`;
      this.onchange(samples);
    } catch {
      this.onerror(new Error(`${name} is no recording that this browser can read.`));
    }
  }

  async #record() {
    if (this.recorder) return this.recorder.stop();
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false } });
      const parts = [];
      this.recorder = new MediaRecorder(stream);
      this.recorder.ondataavailable = ({ data }) => parts.push(data);
      this.recorder.onstop = () => {
        stream.getTracks().forEach((track) => track.stop());
        this.recorder = null;
        this.button.textContent = "Record";
        this.take(new Blob(parts), "your recording");
      };
      this.recorder.start();
      this.button.textContent = "Stop recording";
      this.told.textContent = "Recording …";
    } catch (error) {
      this.onerror(new Error(`The microphone is not to be had: ${error.message}`));
    }
  }
}

/** Samples at 24 kHz as a WAV file of 16 bits. */
export function wavOf(samples) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, letters) => Array.from(letters).forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true);
  view.setUint32(28, 2 * RATE, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((value, i) => view.setInt16(44 + 2 * i, Math.max(-1, Math.min(1, value)) * 32767, true));
  return new Blob([view], { type: "audio/wav" });
}
