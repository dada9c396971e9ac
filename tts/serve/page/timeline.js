// Words, waveform, mel, pitch and phones over time. Borders of phones and the pitch line can be moved, by pointer and by key.

import { BANDS, melFrames } from "./mel.js";
import { FRAME, hertz, mapped, milliseconds, phonesOf, shown, spoken } from "./phones.js";
import { RATE } from "./player.js";

const LANES = { words: [0, 20], wave: [24, 84], mel: [90, 210], pitch: [216, 316], clock: [318, 332], phones: [334, 366] }; // px
const HEIGHT = 366;
const PHONES = '14px "Charis SIL", "Doulos SIL", "Noto Sans", "DejaVu Sans", sans-serif';
const NARROWEST = 220; // px of a second, at least
const SEMITONE = 2 ** (1 / 12);

export class Timeline {
  onchange = () => {}; // the plan is being changed
  oncommit = () => {}; // a change is made
  onselect = () => {}; // a phone, or null
  onseek = () => {}; // seconds of what was heard
  #samples = new Float32Array(0);
  #count = 0; // samples that are there
  #peak = 0; // largest sample
  #frames = []; // of mel
  #words = [];
  #phones = []; // see `phonesOf`
  #plan = null;
  #scale = NARROWEST; // px of a second
  #still = document.createElement("canvas"); // all but the playhead
  #stale = true;
  #selected = null; // number of a phone
  #range = [80, 400]; // Hz of the pitch lane

  constructor(root) {
    this.view = root.querySelector(".view");
    this.strip = root.querySelector(".strip");
    this.canvas = root.querySelector("canvas");
    this.row = root.querySelector(".phones");
    this.view.addEventListener("scroll", () => this.redraw());
    this.canvas.addEventListener("pointerdown", (event) => this.#grab(event));
    this.canvas.addEventListener("pointermove", (event) => {
      this.canvas.style.cursor = this.#inPitch(event) && this.#plan ? "ns-resize" : this.#count ? "pointer" : "";
    });
    this.row.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.fit()).observe(this.view);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  /** Seconds of what was heard last. */
  get seconds() {
    return this.#count / RATE;
  }

  get selected() {
    return this.#phones[this.#selected] ?? null;
  }

  /** Before another sound: its samples come by `hear`. With a plan the phones stay where they are. */
  clear(plan = null) {
    [this.#count, this.#peak, this.#frames, this.#words, this.#plan] = [0, 0, [], [], plan];
    if (plan) for (const phone of this.#phones) phone.heard = [phone.start, phone.end];
    else this.#list([]);
    this.fit();
  }

  hear(samples) {
    const needed = this.#count + samples.length;
    if (needed > this.#samples.length) {
      const larger = new Float32Array(Math.max(needed, 2 * this.#samples.length));
      larger.set(this.#samples.subarray(0, this.#count));
      this.#samples = larger;
    }
    this.#samples.set(samples, this.#count);
    for (const value of samples) this.#peak = Math.max(this.#peak, Math.abs(value));
    this.#count = needed;
    this.#frames.push(...melFrames(this.#samples.subarray(0, needed), this.#frames.length));
    if (!this.#plan) this.fit();
    this.redraw();
  }

  get samples() {
    return this.#samples.subarray(0, this.#count);
  }

  /** Words and phones of a clause, as they come with its sound. */
  time({ words, phones }) {
    this.#words.push(...words);
    if (this.#plan) return;
    this.#phones.push(...phones.map(({ label, start, end }) => ({ symbol: label, start, end, heard: [start, end] })));
  }

  /** The plan of what was heard: from now on it can be changed. */
  plan(plan) {
    this.#plan = plan;
    const phones = phonesOf(plan);
    for (const phone of phones) phone.heard = [phone.start, phone.end];
    const pitches = phones.filter(({ silent }) => !silent).map(({ row }) => row.hz);
    if (pitches.length) this.#range = [Math.min(...pitches) / 1.35, Math.max(...pitches) * 1.35];
    this.#list(phones);
    this.fit();
  }

  /** The plan was changed elsewhere: lay it out again. */
  refresh() {
    const heard = this.#phones.map((phone) => phone.heard);
    this.#phones = phonesOf(this.#plan);
    this.#phones.forEach((phone, n) => { phone.heard = heard[n]; });
    this.#place();
    this.redraw();
  }

  /** Change the phone that is chosen by frames and semitones. */
  change(frames, semitones) {
    const { row, silent } = this.selected;
    if (frames) row.ms = milliseconds(Math.max(1, Math.round(row.ms / 1000 / FRAME) + frames));
    if (semitones && !silent) row.hz = hertz(row.hz * SEMITONE ** semitones);
    this.refresh();
    this.onchange();
  }

  /** As wide as the view, or wider where phones would be too small. */
  fit() {
    this.#scale = this.#end ? Math.max(NARROWEST, this.view.clientWidth / this.#end) : NARROWEST;
    this.#place();
    this.redraw();
  }

  redraw() {
    this.#stale = true;
    requestAnimationFrame(() => this.#stale && this.draw());
  }

  /** Draw, with a line where the sound is (seconds of what was heard, or null). */
  draw(position = null) {
    const ratio = devicePixelRatio;
    const [width, height] = [Math.round(this.view.clientWidth * ratio), Math.round(HEIGHT * ratio)];
    if (!width) return;
    if (this.#stale) {
      this.#stale = false;
      if (this.#still.width !== width || this.#still.height !== height) Object.assign(this.#still, { width, height });
      this.#drawStill(ratio, width);
    }
    if (this.canvas.width !== width || this.canvas.height !== height) {
      Object.assign(this.canvas, { width, height });
      this.canvas.style.width = `${width / ratio}px`;
      this.canvas.style.height = `${HEIGHT}px`;
    }
    const pen = this.canvas.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.drawImage(this.#still, 0, 0);
    if (position === null) return;
    const at = this.#shown(position) * this.#scale;
    const x = at - this.view.scrollLeft;
    if (x > this.view.clientWidth - 20 || x < 0) this.view.scrollLeft = at - 40;
    pen.fillStyle = colour("--accent");
    pen.fillRect(x * ratio - ratio, 0, 2 * ratio, LANES.pitch[1] * ratio);
  }

  get #end() {
    return Math.max(this.#plan ? 0 : this.seconds, this.#phones.at(-1)?.end ?? 0);
  }

  /** Phones of the plan, as buttons and edges; the phones of a sound without a plan, which may have thousands, are drawn. */
  #list(phones) {
    [this.#phones, this.#selected] = [phones, null];
    const items = phones.map((phone, n) => {
      const button = document.createElement("button");
      button.type = "button";
      button.tabIndex = n ? -1 : 0;
      button.textContent = shown(phone);
      button.addEventListener("focus", () => this.#select(n));
      const edge = document.createElement("span");
      edge.className = "edge";
      edge.addEventListener("pointerdown", (event) => this.#stretch(event, n));
      return [button, edge];
    });
    this.row.replaceChildren(...items.flat());
    this.#place();
    this.onselect(null);
  }

  /** Buttons and edges where their phones are. */
  #place() {
    this.strip.style.width = `${Math.max(this.view.clientWidth, this.#end * this.#scale)}px`;
    let button = this.row.firstChild;
    for (const phone of button ? this.#phones : []) {
      const edge = button.nextSibling;
      button.style.left = `${phone.start * this.#scale}px`;
      button.style.width = `${(phone.end - phone.start) * this.#scale}px`;
      button.classList.toggle("silent", phone.silent);
      button.setAttribute("aria-label", spoken(phone));
      edge.style.left = `${phone.end * this.#scale}px`;
      button = edge.nextSibling;
    }
  }

  #select(n) {
    if (this.row.children[2 * this.#selected]) this.row.children[2 * this.#selected].tabIndex = -1;
    this.#selected = n;
    this.row.children[2 * n].tabIndex = 0;
    this.onselect(this.selected);
    this.redraw();
  }

  #key(event) {
    if (!this.selected || event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 0.5], ArrowDown: [0, -0.5] }[event.key];
    if (event.key === "Home") this.row.children[0].focus();
    else if (event.key === "End") this.row.children[2 * this.#phones.length - 2].focus();
    else if (steps && steps[0] && !event.shiftKey) this.row.children[2 * (this.#selected + steps[0])]?.focus();
    else if (steps) {
      this.change(...steps);
      this.oncommit();
    } else return;
    event.preventDefault();
  }

  /** Drag the right border of phone n. */
  #stretch(event, n) {
    const { row } = this.#phones[n];
    const before = row.ms;
    this.#select(n);
    dragged(event, (dx) => {
      row.ms = milliseconds(Math.max(1, Math.round((before / 1000 + dx / this.#scale) / FRAME)));
      this.refresh();
      this.onchange();
    }, () => row.ms !== before && this.oncommit());
  }

  /** On the pitch lane: drag the pitch of the phone there. Elsewhere: play from there. */
  #grab(event) {
    const seconds = (event.offsetX + this.view.scrollLeft) / this.#scale;
    const n = this.#phones.findIndex(({ start, end }) => start <= seconds && seconds < end);
    if (!this.#inPitch(event) || !this.#plan) {
      if (this.#count) this.onseek(this.#heard(seconds));
      return;
    }
    if (n < 0 || this.#phones[n].silent) return;
    const { row } = this.#phones[n];
    const before = row.hz;
    const [low, high] = this.#range;
    const [top, bottom] = LANES.pitch;
    this.#select(n);
    dragged(event, (_, dy) => {
      row.hz = hertz(Math.min(high, Math.max(low, before * (high / low) ** (-dy / (bottom - top)))));
      this.refresh();
      this.onchange();
    }, () => row.hz !== before && this.oncommit());
  }

  #inPitch({ offsetY }) {
    return offsetY >= LANES.pitch[0] && offsetY <= LANES.pitch[1];
  }

  /** Seconds of what was heard, of seconds in the plan as it is now; and the other way. */
  #heard(seconds) {
    return mapped(seconds, this.#phones, ({ start, end }) => [start, end], ({ heard }) => heard);
  }

  #shown(seconds) {
    return mapped(seconds, this.#phones, ({ heard }) => heard, ({ start, end }) => [start, end]);
  }

  #drawStill(ratio, width) {
    const pen = this.#still.getContext("2d", { willReadFrequently: true });
    const scroll = this.view.scrollLeft;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.#still.width, this.#still.height);
    this.#drawSound(pen, ratio, width, scroll);
    pen.setTransform(ratio, 0, 0, ratio, -scroll * ratio, 0);
    this.#drawMarks(pen, scroll);
    if (this.#plan) this.#drawPitch(pen);
  }

  /** Waveform and mel, a column of pixels at a time. */
  #drawSound(pen, ratio, width, scroll) {
    const [top, bottom] = LANES.mel.map((y) => Math.round(y * ratio));
    const [waveTop, waveBottom] = LANES.wave.map((y) => y * ratio);
    const middle = (waveTop + waveBottom) / 2;
    const half = (waveBottom - waveTop) / 2 / Math.max(0.1, this.#peak);
    const image = pen.createImageData(width, bottom - top);
    const ramp = shades();
    pen.fillStyle = colour("--wave");
    for (let x = 0; x < width; x++) {
      const [from, to] = [x, x + 1].map((px) => this.#heard((px / ratio + scroll) / this.#scale));
      const column = this.#frames[Math.floor(from / FRAME)];
      if (column) {
        for (let y = 0; y < image.height; y++) {
          const band = ((image.height - 1 - y) / image.height) * (BANDS - 1);
          const low = Math.floor(band);
          const level = column[low] + (column[low + 1] - column[low]) * (band - low);
          image.data.set(ramp[Math.round(level * 255)], 4 * (y * width + x));
        }
      }
      const first = Math.floor(from * RATE);
      if (first >= this.#count) continue;
      let [least, most] = [0, 0];
      for (let i = first; i < Math.min(this.#count, Math.max(first + 1, to * RATE)); i++) {
        least = Math.min(least, this.#samples[i]);
        most = Math.max(most, this.#samples[i]);
      }
      pen.fillRect(x, middle - most * half, 1, Math.max(ratio, (most - least) * half));
    }
    pen.putImageData(image, 0, top);
  }

  /** Words, borders, and a clock. */
  #drawMarks(pen, scroll) {
    const right = scroll + this.view.clientWidth;
    pen.font = "13px system-ui, sans-serif";
    pen.textBaseline = "middle";
    for (const { label, start, end } of this.#words) {
      const [left, until] = [start, end].map((seconds) => this.#shown(seconds) * this.#scale);
      if (until < scroll || left > right) continue;
      pen.fillStyle = colour("--line");
      pen.fillRect(left, 0, 1, LANES.pitch[1]);
      pen.fillStyle = colour("--text");
      pen.fillText(label, left + 4, (LANES.words[0] + LANES.words[1]) / 2, Math.max(8, until - left - 6));
    }
    pen.font = PHONES;
    pen.textAlign = "center";
    pen.fillStyle = colour("--text");
    for (const phone of this.#plan ? [] : this.#phones) {
      const x = ((phone.start + phone.end) / 2) * this.#scale;
      if (x > scroll && x < right) pen.fillText(shown(phone), x, (LANES.phones[0] + LANES.phones[1]) / 2);
    }
    pen.textAlign = "left";
    const chosen = this.selected;
    if (chosen) {
      pen.fillStyle = colour("--chosen");
      const [left, until] = [chosen.start, chosen.end].map((seconds) => seconds * this.#scale);
      pen.fillRect(left, LANES.wave[0], until - left, LANES.pitch[1] - LANES.wave[0]);
    }
    pen.font = "11px system-ui, sans-serif";
    pen.fillStyle = colour("--muted");
    for (let tick = 0; tick <= this.#end; tick += 0.5) {
      const x = tick * this.#scale;
      if (x >= scroll && x + 30 < right) pen.fillText(`${tick.toFixed(1)} s`, x + 3, (LANES.clock[0] + LANES.clock[1]) / 2 + 1);
    }
  }

  /** The planned pitch: a stroke a phone, a line through their middles. */
  #drawPitch(pen) {
    const [low, high] = this.#range;
    const [top, bottom] = LANES.pitch;
    const y = (hz) => bottom - ((bottom - top) * Math.log(hz / low)) / Math.log(high / low);
    const left = this.view.scrollLeft;
    const marks = [50, 75, 100, 150, 200, 300, 400, 600, 800].filter((hz) => low < hz && hz < high);
    pen.fillStyle = colour("--line");
    for (const hz of marks) pen.fillRect(left, y(hz), this.view.clientWidth, 1);
    pen.fillStyle = colour("--muted");
    for (const hz of marks) pen.fillText(`${hz} Hz`, left + 3, y(hz) - 7);
    pen.strokeStyle = pen.fillStyle = colour("--pitch");
    pen.lineWidth = 2;
    pen.beginPath();
    let apart = true;
    for (const { start, end, silent, row } of this.#phones) {
      if (silent) {
        apart ||= end - start > 0.04;
        continue;
      }
      const x = ((start + end) / 2) * this.#scale;
      if (apart) pen.moveTo(x, y(row.hz));
      else pen.lineTo(x, y(row.hz));
      apart = false;
    }
    pen.stroke();
    for (const phone of this.#phones) {
      if (phone.silent) continue;
      pen.beginPath();
      pen.arc(((phone.start + phone.end) / 2) * this.#scale, y(phone.row.hz), phone === this.selected ? 5 : 3, 0, 2 * Math.PI);
      pen.fill();
    }
  }
}

function dragged(event, moved, done) {
  const { target, clientX, clientY, pointerId } = event;
  event.preventDefault();
  target.setPointerCapture(pointerId);
  const move = (now) => moved(now.clientX - clientX, now.clientY - clientY);
  const end = () => {
    target.removeEventListener("pointermove", move);
    done();
  };
  target.addEventListener("pointermove", move);
  target.addEventListener("lostpointercapture", end, { once: true });
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name);
}

/** 256 colours of the mel, from the page's ground to its ink. */
function shades() {
  const pen = new OffscreenCanvas(256, 1).getContext("2d");
  const ramp = pen.createLinearGradient(0, 0, 256, 0);
  ["--mel-0", "--mel-1", "--mel-2", "--mel-3"].forEach((name, i) => ramp.addColorStop(i / 3, colour(name)));
  pen.fillStyle = ramp;
  pen.fillRect(0, 0, 256, 1);
  const { data } = pen.getImageData(0, 0, 256, 1);
  return Array.from({ length: 256 }, (_, i) => data.subarray(4 * i, 4 * i + 4));
}
