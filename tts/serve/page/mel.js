// Log-mel frames of samples at 24 kHz, for the eye: 13.3 ms a frame, 80 bands up to 12 kHz.

import { RATE } from "./player.js";

export const HOP = 320;
export const BANDS = 80;
const SIZE = 1024;
const WINDOW = Float32Array.from({ length: SIZE }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / SIZE));
const COS = Float32Array.from({ length: SIZE / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / SIZE));
const SIN = Float32Array.from({ length: SIZE / 2 }, (_, i) => Math.sin((2 * Math.PI * i) / SIZE));
const FILTERS = filters();

/** Frames [T][BANDS], 0 for -80 dB to 1 for full scale, of the samples from `first` on (a frame's number). */
export function melFrames(samples, first = 0) {
  const frames = [];
  for (let n = first; (n + 1) * HOP <= samples.length; n++) frames.push(frame(samples, n * HOP + HOP / 2 - SIZE / 2));
  return frames;
}

function frame(samples, start) {
  const real = new Float32Array(SIZE);
  const imaginary = new Float32Array(SIZE);
  for (let i = 0; i < SIZE; i++) real[i] = (samples[start + i] ?? 0) * WINDOW[i];
  transform(real, imaginary);
  return Float32Array.from(FILTERS, ({ first, weights }) => {
    let sum = 0;
    weights.forEach((weight, i) => { sum += weight * Math.hypot(real[first + i], imaginary[first + i]); });
    return Math.min(1, Math.max(0, 1 + Math.log10(sum / 64 + 1e-9) / 4));
  });
}

/** Fourier transform in place, radix 2. */
function transform(real, imaginary) {
  for (let i = 1, j = 0; i < SIZE; i++) {
    let bit = SIZE >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j |= bit;
    if (i < j) [real[i], real[j], imaginary[i], imaginary[j]] = [real[j], real[i], imaginary[j], imaginary[i]];
  }
  for (let length = 2; length <= SIZE; length *= 2) {
    const half = length / 2;
    const step = SIZE / length;
    for (let start = 0; start < SIZE; start += length) {
      for (let k = 0; k < half; k++) {
        const [a, b] = [start + k, start + k + half];
        const [cos, sin] = [COS[k * step], -SIN[k * step]];
        const [x, y] = [real[b] * cos - imaginary[b] * sin, real[b] * sin + imaginary[b] * cos];
        [real[b], imaginary[b]] = [real[a] - x, imaginary[a] - y];
        real[a] += x;
        imaginary[a] += y;
      }
    }
  }
}

/** Triangles on the mel scale, of height 1. */
function filters() {
  const toMel = (hz) => 2595 * Math.log10(1 + hz / 700);
  const edges = Array.from({ length: BANDS + 2 }, (_, i) => {
    const mel = (toMel(RATE / 2) * i) / (BANDS + 1);
    return ((700 * (10 ** (mel / 2595) - 1)) * SIZE) / RATE; // in bins
  });
  return Array.from({ length: BANDS }, (_, band) => {
    const [low, middle, high] = edges.slice(band, band + 3);
    const first = Math.max(0, Math.ceil(low));
    const last = Math.max(first, Math.floor(high));
    const weights = [];
    for (let bin = first; bin <= last; bin++) {
      weights.push(Math.max(0, Math.min((bin - low) / (middle - low), (high - bin) / (high - middle))));
    }
    if (!weights.some((weight) => weight > 0)) return { first: Math.round(middle), weights: [1] };
    return { first, weights };
  });
}
