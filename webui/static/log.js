// Keeps the log on a job's page fresh while it is unfolded; the rest of the time it asks nothing.

import { poll } from "./polling.js";
import { write } from "./words.js";

const LOOK_MS = 1_000;

function showEnd(text) {
  text.scrollTop = text.scrollHeight;
}

export function followLog() {
  const log = document.getElementById("log");
  const text = log?.querySelector("pre");
  if (!text) return;

  async function ask() {
    if (!log.open) return LOOK_MS;
    const answer = await fetch(log.dataset.address, { cache: "no-cache" });
    if (!answer.ok) throw new Error(String(answer.status));
    const said = await answer.text();
    // Whoever has scrolled back to read something is left there.
    const atEnd = text.scrollHeight - text.scrollTop - text.clientHeight < 24;
    if (said) write(text, said);
    if (atEnd) showEnd(text);
    return answer.headers.has("Retry-After") ? LOOK_MS : false;
  }

  log.addEventListener("toggle", () => showEnd(text));
  poll(ask, LOOK_MS);
}
