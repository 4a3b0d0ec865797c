// Keeps the administrator's overview alive. A fresh copy of the page is laid over this one, text by
// text: what did not change stays, with its focus, its open folds and what was typed.

import { followLog } from "./log.js";
import { poll } from "./polling.js";
import { write } from "./words.js";

const POLL_MS = 2_000;
const live = document.getElementById("live");
const connection = document.getElementById("connection");
// What a person has changed, or is about to.
const THEIRS = new Set(["open", "value"]);

function sameKind(one, other) {
  return one.nodeName === other.nodeName && one.dataset?.key === other.dataset?.key;
}

function layAttributes(old, fresh) {
  const typed = old.matches("input, select, textarea");
  const kept = (name) => (name === "open" && old.nodeName === "DETAILS") || (typed && THEIRS.has(name));
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !kept(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !kept(name)) old.setAttribute(name, value);
  }
}

function lay(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.data = fresh.data;
    return;
  }
  layAttributes(old, fresh);
  const known = new Map([...old.children].map((child) => [child.dataset.key, child]));
  let place = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    const keyed = next.dataset?.key ? known.get(next.dataset.key) : undefined;
    if (keyed && keyed !== place) old.insertBefore(keyed, place);
    const mine = keyed ?? (place && sameKind(place, next) ? place : null);
    if (mine) {
      lay(mine, next);
      place = mine.nextSibling;
    } else {
      old.insertBefore(document.adoptNode(next), place);
    }
  }
  while (place) {
    const after = place.nextSibling;
    place.remove();
    place = after;
  }
}

async function ask() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-cache" });
  if (!answer.ok) throw new Error(String(answer.status));
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const next = fresh.getElementById("live");
  if (!next) location.reload();
  else lay(live, next);
  document.title = fresh.title;
  return true;
}

if (live) poll(ask, POLL_MS, (away) => write(connection, away ? connection.dataset.away : ""));
followLog();
