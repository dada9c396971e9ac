// Sound as it arrives, without gaps, and the time of what is heard now.

export const RATE = 24_000;
const LEAD = 0.08; // seconds before the first sample: the time that a late piece may take

export class Player {
  #context = null;
  #pieces = []; // {at, from, seconds, node}: `from` in the sound, `at` on the context's clock
  #next = 0; // where the next piece begins on the context's clock
  #skip = 0; // seconds of the sound that are not played
  #seconds = 0; // of the sound so far
  #ended = true;

  /** Begin a sound, from `skip` seconds of it on. */
  begin(skip = 0) {
    this.stop();
    this.#context ??= new AudioContext({ sampleRate: RATE });
    this.#context.resume();
    Object.assign(this, { onend: null });
    [this.#pieces, this.#next, this.#skip, this.#seconds, this.#ended] = [[], 0, skip, 0, false];
  }

  /** The next samples. */
  push(samples) {
    const from = this.#seconds;
    this.#seconds += samples.length / RATE;
    const left = Math.max(0, Math.round((this.#skip - from) * RATE));
    if (left >= samples.length) return;
    const buffer = this.#context.createBuffer(1, samples.length - left, RATE);
    buffer.copyToChannel(samples.subarray(left), 0);
    const node = this.#context.createBufferSource();
    node.buffer = buffer;
    node.connect(this.#context.destination);
    const at = Math.max(this.#next, this.#context.currentTime + (this.#pieces.length ? 0.01 : LEAD));
    node.start(at);
    this.#pieces.push({ at, from: from + left / RATE, seconds: buffer.duration, node });
    this.#next = at + buffer.duration;
  }

  /** All samples are there. */
  end() {
    this.#ended = true;
  }

  /** Silence, now. */
  stop() {
    for (const { node } of this.#pieces) node.stop();
    this.#pieces = [];
    this.#ended = true;
  }

  get playing() {
    return !this.#ended || (this.#pieces.length > 0 && this.#context.currentTime < this.#next);
  }

  /** Seconds of the sound that is heard now; null before and after it. */
  get position() {
    if (!this.#pieces.length) return null;
    const now = this.#context.currentTime - (this.#context.outputLatency || 0);
    const piece = this.#pieces.findLast(({ at }) => at <= now);
    if (!piece || now > this.#next) return null;
    return piece.from + Math.min(now - piece.at, piece.seconds);
  }
}

/** The samples of any sound file that this browser reads, at 24 kHz, mono. */
export async function decoded(blob) {
  const context = new OfflineAudioContext(1, 1, RATE);
  const buffer = await context.decodeAudioData(await blob.arrayBuffer());
  const mixed = new Float32Array(buffer.length);
  for (let c = 0; c < buffer.numberOfChannels; c++) {
    buffer.getChannelData(c).forEach((value, i) => { mixed[i] += value / buffer.numberOfChannels; });
  }
  return mixed;
}
