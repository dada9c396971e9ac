// What the server answers: requests with the token, errors as sentences, events as they come.

const KEY = "parlance token";
let askForToken = async () => null;

/** `ask()` gives a token that a person typed, or null. */
export function onToken(ask) {
  askForToken = ask;
}

/** A response that is good; else an Error with the server's own words. */
export async function request(path, options = {}) {
  for (;;) {
    const token = sessionStorage.getItem(KEY);
    const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
    const response = await fetch(path, { ...options, headers });
    if (response.status !== 401) {
      if (response.ok) return response;
      throw new Error(await told(response));
    }
    const given = await askForToken();
    if (!given) throw new Error("This server needs a token.");
    sessionStorage.setItem(KEY, given);
  }
}

export function send(path, fields, signal) {
  const body = JSON.stringify(fields);
  return request(path, { method: "POST", headers: { "Content-Type": "application/json" }, body, signal });
}

/** A form: texts and files. */
export function upload(path, fields, signal) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  return request(path, { method: "POST", body, signal });
}

/** The events of an answer in JSON lines. */
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
}

/** Samples of 16 bits, in base64, as floats. */
export function samplesOf(base64) {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  return Float32Array.from(new Int16Array(bytes.buffer), (value) => value / 32768);
}

/** Hand a file to the person. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

async function told(response) {
  try {
    const { error } = await response.json();
    return error.fix && !error.message.includes(error.fix) ? `${error.message} ${error.fix}` : error.message;
  } catch {
    return `The server answered ${response.status}.`;
  }
}
