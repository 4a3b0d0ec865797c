// Comfort for datasets: drop a folder or a ZIP, see how far the upload and the check are. Without
// it the same forms are sent as they stand.

import { poll, refreshParts } from "./polling.js";
import { takeDrops, upload } from "./upload.js";

const POLL_MS = 1_000;

function send(form, files, onProgress) {
  const body = new FormData();
  for (const name of ["parent", "name", "licence"]) {
    const value = form.elements.namedItem(name)?.value;
    if (value) body.append(name, value);
  }
  for (const { file, path } of files) body.append("file", file, path);
  return upload(form, "/api/v1/datasets", body, onProgress);
}

// A folder is read in pieces: the browser hands out at most a hundred entries at a time.
async function entriesOf(folder) {
  const reader = folder.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found;
    found.push(...some);
  }
}

async function filesOf(entry, above = "") {
  const path = above + entry.name;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ file, path }];
  }
  const inside = [];
  for (const each of await entriesOf(entry)) inside.push(...(await filesOf(each, `${path}/`)));
  return inside;
}

async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ file, path: file.name }));
  const found = [];
  for (const entry of entries) found.push(...(await filesOf(entry)));
  return found;
}

function chosen(form) {
  return [...form.querySelectorAll('input[type="file"]')].flatMap((input) =>
    [...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
}

function say(form, words) {
  const place = form.querySelector(".fault");
  place.textContent = words;
  place.hidden = !words;
}

async function bring(form, gathering) {
  const bar = form.querySelector("progress");
  const button = form.querySelector("button.main");
  say(form, "");
  button.disabled = true;
  try {
    const files = await gathering;
    if (!files.length) throw new Error(form.dataset.nothing);
    bar.hidden = false;
    const made = await send(form, files, (percent) => { bar.value = percent; });
    location.assign(made.urls.page);
  } catch (refused) {
    say(form, refused.message);
    bar.hidden = true;
    button.disabled = false;
  }
}

function take(form) {
  takeDrops(form.querySelector(".drop"), (transfer) => bring(form, dropped(transfer)));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    bring(form, Promise.resolve(chosen(form)));
  });
}

async function look() {
  if (!document.querySelector('[data-dataset][data-status="checking"]')) return false;
  await refreshParts();
  return POLL_MS;
}

document.querySelectorAll(".bring-set").forEach(take);
poll(look, POLL_MS);
