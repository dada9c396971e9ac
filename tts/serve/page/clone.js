// A voice of a recording, with the consent of who speaks.

import { Recording } from "./recording.js";
import { request, save, upload } from "./server.js";

const $ = (id) => document.getElementById(id);

/** `onvoice(id, name)`: there is another voice; `onforgotten(id)`: it is no more; `say(element, text, isError)`. */
export function cloning({ onvoice, onforgotten, say }) {
  const recording = new Recording($("clone-recording"));
  let voice = null;
  recording.onerror = (error) => say($("clone-status"), error.message, true);

  $("clone").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!recording.file) return say($("clone-status"), "Choose or record a recording first.", true);
    say($("clone-status"), "Listening to the recording …");
    try {
      const fields = { audio: recording.file, consent: $("clone-consent").value, name: $("clone-name").value };
      voice = await (await upload("/v1/voices", fields)).json();
      const doubts = voice.warnings.map(({ message }) => ` Note: ${message}.`).join("");
      say($("clone-status"), `${voice.name} can speak now: ${voice.seconds} s of speech kept.${doubts}`);
      onvoice(voice.id, voice.name);
    } catch (error) {
      say($("clone-status"), error.message, true);
    }
    $("clone-save").disabled = $("clone-forget").disabled = !voice;
  });

  $("clone-save").addEventListener("click", async () => {
    try {
      save(await (await request(`/v1/voices/${voice.id}`)).blob(), `${voice.name}.safetensors`);
    } catch (error) {
      say($("clone-status"), error.message, true);
    }
  });

  $("clone-forget").addEventListener("click", async () => {
    const { id, name } = voice;
    voice = null;
    $("clone-save").disabled = $("clone-forget").disabled = true;
    onforgotten(id);
    try {
      await request(`/v1/voices/${id}`, { method: "DELETE" });
      say($("clone-status"), `${name} is forgotten.`);
    } catch (error) {
      say($("clone-status"), error.message, true);
    }
  });
}
