// Phones of a plan: times, names, and values as the plan writes them.

import { HOP } from "./mel.js";
import { RATE } from "./player.js";

export const FRAME = HOP / RATE; // seconds
const SILENT = new Set(["SIL", "WB", ",", ".", "?", "!"]);
const SHOWN = { SIL: "·", WB: "·" };

/** The phones of a plan that last, with their times: {symbol, word, start, end, silent, row}. */
export function phonesOf(plan) {
  const found = [];
  let [at, word] = [0, ""];
  for (const clause of plan.clauses) {
    at += clause.pause_before_ms / 1000;
    for (const row of clause.phones) {
      const silent = SILENT.has(row.phone);
      word = row.word ?? (silent ? "" : word);
      const frames = Math.max(Math.round(row.ms / 1000 / FRAME), Math.sign(row.ms));
      if (frames) found.push({ symbol: row.phone, word, start: at, end: at + frames * FRAME, silent, row });
      at += frames * FRAME;
    }
    at += clause.pause_after_ms / 1000;
  }
  return found;
}

/** What stands for a phone. */
export const shown = ({ symbol }) => SHOWN[symbol] ?? symbol;

/** What a screen reader says of a phone. */
export function spoken({ symbol, word, silent, row }) {
  const what = silent ? "pause" : word ? `${symbol} in ${word}` : symbol;
  return `${what}, ${Math.round(row.ms)} milliseconds${silent ? "" : `, ${Math.round(row.hz)} hertz`}`;
}

/** A time moved with its phone from where `from` has the phones to where `to` has them, each [start, end]. */
export function mapped(seconds, phones, from, to) {
  let [low, high] = [0, phones.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (from(phones[middle])[0] <= seconds) low = middle + 1;
    else high = middle;
  }
  const phone = phones[low - 1];
  if (!phone) return seconds;
  const [start, end] = from(phone);
  const [first, last] = to(phone);
  return seconds < end ? first + ((seconds - start) / (end - start)) * (last - first) : last + seconds - end;
}

/** Of whole frames. */
export const milliseconds = (frames) => Math.round(frames * FRAME * 10_000) / 10;
/** Within what may be planned, to a tenth. */
export const hertz = (value) => Math.round(Math.min(2000, Math.max(20, value)) * 10) / 10;
