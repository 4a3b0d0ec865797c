// Keeps the page of one job alive: progress, time left, and the picture in place.

import { addSliders } from "./compare.js";
import { followLog } from "./log.js";
import { poll, refreshParts } from "./polling.js";
import { followTimeline, hasGoneBack } from "./timeline.js";
import { left, write } from "./words.js";

const SPOKEN_EVERY_MS = 10_000;
const POLL_MS = 1_000;
const LIVE = ["queued", "running", "pausing", "canceling", "paused"];

const page = document.getElementById("job");
let tag = `W/"${page.dataset.tag}"`;
let status = page.dataset.status;
let spokenAt = Date.now();
let newest = null;

// What the job has handed out so far, and what it is still asked for: a training does both on its way.
const handed = (job) => `${job.outputs.length} ${job.snapshots.join()}`;
const place = (name) => page.querySelector(`[data-words="${name}"]`);

function speak(job) {
  if (Date.now() - spokenAt < SPOKEN_EVERY_MS) return;
  spokenAt = Date.now();
  write(place("spoken"), `${Math.round(job.progress.percent)} %, ${left(job, page.dataset)}`);
}

// Heard once each: only what changed is written anew.
function warn(notices) {
  const shown = [...place("notices").children].map((notice) => notice.textContent);
  if (JSON.stringify(shown) === JSON.stringify(notices)) return;
  place("notices").replaceChildren(
    ...notices.map((notice) => Object.assign(document.createElement("p"), { textContent: notice })),
  );
}

// The new picture is loaded first and then takes the old one's place: no gap, no jump.
async function showPicture(address) {
  const picture = document.getElementById("picture");
  if (!address || !picture || hasGoneBack() || picture.getAttribute("src") === address) return;
  const next = new Image();
  next.src = address;
  try {
    await next.decode();
  } catch {
    return; // the next preview comes soon
  }
  if (hasGoneBack()) return;
  picture.src = address;
  picture.hidden = false;
}

function show(job) {
  const { phase, percent, step, total } = job.progress;
  write(place("phase"), phase || "\u00a0");
  write(place("left"), left(job, page.dataset));
  write(place("steps"), total ? `${step} / ${total}` : "");
  const bar = page.querySelector("progress");
  if (bar) bar.value = percent;
  speak(job);
  warn(job.progress.notices);
  write(place("remarks"), job.progress.remarks.join(" "));
  newest = job.urls.preview;
  if (job.ended_at === null) showPicture(job.urls.preview);
}

async function turnPage(job) {
  await refreshParts();
  status = job.status;
  page.dataset.status = status;
  page.dataset.handed = handed(job);
  addSliders();
  write(place("spoken"), page.querySelector(".status")?.textContent ?? "");
}

async function ask() {
  const answer = await fetch(page.dataset.address, {
    headers: { "If-None-Match": tag, Accept: "application/json" },
    cache: "no-store",
  });
  const wait = Number(answer.headers.get("Retry-After")) * 1000 || POLL_MS;
  if (answer.status === 304) return wait;
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw new Error(String(answer.status));
  const job = await answer.json();
  if (job.status !== status || handed(job) !== page.dataset.handed) await turnPage(job);
  else show(job);
  tag = answer.headers.get("ETag") ?? tag;
  return job.ended_at !== null && !answer.headers.has("Retry-After") ? false : wait;
}

function trouble(away) {
  write(place("connection"), away ? page.dataset.reconnecting : "");
}

addSliders();
followLog();
followTimeline(
  () => showPicture(newest),
  () => LIVE.includes(status),
);
if (LIVE.includes(status)) {
  poll(ask, POLL_MS, trouble);
}
