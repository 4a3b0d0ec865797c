// Asks again and again, politely: as often as the server says, seldom while nobody looks,
// and ever more seldom while the server does not answer.

const HIDDEN_FACTOR = 10;
const LONGEST_MS = 30_000;

// Calls ask() until it returns false. ask() may return the milliseconds until the next time;
// when it throws, onTrouble(true) is called, and onTrouble(false) once it works again.
export function poll(ask, usualMs, onTrouble = () => {}) {
  let failures = 0;
  let timer = 0;

  async function turn() {
    let wait = usualMs;
    try {
      const answer = await ask();
      if (answer === false) return;
      if (typeof answer === "number") wait = answer;
      if (failures) onTrouble(false);
      failures = 0;
    } catch {
      failures += 1;
      onTrouble(true);
      wait = Math.min(LONGEST_MS, usualMs * 2 ** failures);
    }
    timer = setTimeout(turn, document.hidden ? wait * HIDDEN_FACTOR : wait);
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden || !timer) return;
    clearTimeout(timer);
    timer = setTimeout(turn, 0);
  });
  timer = setTimeout(turn, usualMs);
}

// Replaces the parts of this page by those of a fresh copy of it. Parts without a change stay.
export async function refreshParts() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) throw new Error(String(answer.status));
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-part]")) {
    const next = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
    if (next && next.innerHTML !== part.innerHTML) part.replaceWith(document.adoptNode(next));
  }
  document.title = fresh.title;
  return fresh;
}
