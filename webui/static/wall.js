// Keeps a list of jobs alive. What moves within a status is written in place; when a job
// changes its status, comes or goes, the server draws the list anew.

import { poll, refreshParts } from "./polling.js";
import { left, write } from "./words.js";

const POLL_MS = 2_000;
const LIVE = ["queued", "running", "pausing", "canceling"];
const wall = document.getElementById("wall");

const shown = () =>
  [...wall.querySelectorAll("[data-job]")].filter((each) => LIVE.includes(each.dataset.status));

async function show(tile, job) {
  const bar = tile.querySelector("progress");
  if (bar) bar.value = job.progress.percent;
  write(tile.querySelector('[data-words="left"]'), left(job, wall.dataset));
  const picture = tile.querySelector(".pane img");
  if (!picture || !job.urls.preview || picture.getAttribute("src") === job.urls.preview) return;
  const next = new Image();
  next.src = job.urls.preview;
  await next.decode().catch(() => {});
  picture.src = job.urls.preview;
  picture.classList.remove("pale");
}

async function ask() {
  const tiles = shown();
  if (!tiles.length) return false;
  const answer = await fetch(`/api/v1/jobs?limit=100&status=${LIVE.join(",")}`, { cache: "no-store" });
  if (!answer.ok) throw new Error(String(answer.status));
  const jobs = new Map((await answer.json()).results.map((job) => [job.id, job]));
  const same = tiles.every((tile) => jobs.get(tile.dataset.job)?.status === tile.dataset.status);
  if (!same) {
    await refreshParts();
    return true;
  }
  for (const tile of tiles) show(tile, jobs.get(tile.dataset.job));
  return true;
}

poll(ask, POLL_MS);
