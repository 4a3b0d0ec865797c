// Ties the scrubber under the picture to the curves: whichever is moved, the other follows.
// The newest picture follows the run by itself until the reader goes back in time.

import { poll } from "./polling.js";
import { write } from "./words.js";

const FRESH_MS = 3_000;
// At most one part in so many of the time is spent waiting for fresh curves.
const SHARE = 10;
const PLAY_MS = 160;
// Whoever asked for little motion gets one picture a second.
const CALM_MS = 1_000;

const scrubber = document.getElementById("scrubber");
const graphs = document.getElementById("curves");
const picture = document.getElementById.bind(document, "picture");

let frames = [];
// Which picture is shown; null while the run is followed: the scrubber is at its end then.
let chosen = null;
let playing = 0;
let wanted = "";
let onFollow = () => {};

const slider = () => scrubber.querySelector('input[type="range"]');
const plots = () => [...graphs.querySelectorAll("[data-curve]")];
const stepWords = (step) => scrubber.dataset.step.replace("{step}", step);
const end = () => frames.length;
const at = () => chosen ?? end();
const lastStep = () => Number(plots()[0]?.dataset.last ?? frames.at(-1)[0]);

// Whether the reader looks at an earlier picture than that of now.
export function hasGoneBack() {
  return chosen !== null;
}

// The position of the last picture at or before a step, else of the first.
function positionAt(step) {
  let found = 0;
  frames.forEach(([each], position) => {
    if (each <= step) found = position;
  });
  return found;
}

function nearest(step) {
  const before = positionAt(step);
  const after = frames[before + 1]?.[0] ?? lastStep();
  return step - frames[before][0] <= Math.abs(after - step) && step < lastStep() ? before : before + 1;
}

function pointAt(points, step) {
  let found = points[0];
  for (const point of points) if (point[0] <= step) found = point;
  return found;
}

// As ``figure`` in webui/curves.py.
function digits(value, places = 4) {
  const rounded = Number(value.toPrecision(places));
  return rounded !== 0 && Math.abs(value) < 1e-4 ? rounded.toExponential() : rounded.toLocaleString("en", { useGrouping: false, maximumSignificantDigits: places });
}

// As ``in_words`` in webui/curves.py.
function told([, value, low, high]) {
  if (low === undefined) return digits(value);
  const words = { value, low, high };
  return graphs.dataset.between.replace(/\{(\w+)\}/g, (_, name) => digits(words[name], 3));
}

function markCurve(plot, step) {
  const first = Number(plot.dataset.first);
  const last = Number(plot.dataset.last);
  const share = Math.min(1, Math.max(0, (step - first) / Math.max(1, last - first)));
  plot.querySelector(".marker").setAttribute("d", `M${(1000 * share).toFixed(1)} 0v200`);
  const words = told(pointAt(JSON.parse(plot.dataset.points), step));
  write(plot.querySelector('[data-words="value"]'), words);
  const input = plot.querySelector("input");
  input.value = step;
  input.setAttribute("aria-valuetext", `${stepWords(step)}: ${words}`);
}

function mark(step) {
  for (const plot of plots()) markCurve(plot, step);
}

// Loaded before it is shown, and only the last that was asked for: no gap, no jumping back.
async function showPicture(address, alt) {
  wanted = address;
  const image = picture();
  if (!image || !address || image.getAttribute("src") === address) return;
  const next = new Image();
  next.src = address;
  try {
    await next.decode();
  } catch {
    return;
  }
  if (wanted !== address) return;
  const shown = picture();
  shown.src = address;
  shown.alt = alt;
  shown.hidden = false;
}

function remember() {
  const place = new URL(location.href);
  if (chosen === null) place.searchParams.delete("frame");
  else place.searchParams.set("frame", frames[chosen][0]);
  if (place.href !== location.href) history.replaceState(null, "", place);
}

function point(link, position, beyond = null) {
  if (position >= 0 && position < end()) link.href = `?frame=${frames[position][0]}`;
  else if (beyond !== null && chosen !== null) link.href = beyond;
  else link.removeAttribute("href");
}

function draw() {
  if (!frames.length) return;
  const step = chosen === null ? lastStep() : frames[chosen][0];
  const best = String(step) === scrubber.dataset.best ? `, ${scrubber.dataset.bestWords}` : "";
  const words = chosen === null ? scrubber.dataset.now : stepWords(step);
  const input = slider();
  input.max = end();
  input.value = at();
  input.setAttribute("aria-valuetext", words + best);
  write(scrubber.querySelector('[data-words="step"]'), words);
  scrubber.querySelector(".newest").hidden = chosen === null;
  point(scrubber.querySelector(".step-back"), at() - 1);
  point(scrubber.querySelector(".step-on"), at() + 1, "?");
  mark(step);
}

// Shows the picture at a position; at the end the run is followed again.
function select(position) {
  const next = Math.min(Math.max(position, 0), end());
  chosen = next === end() ? null : next;
  const { address, alt, altNewest, newest: live } = scrubber.dataset;
  if (chosen === null) {
    showPicture(live, altNewest);
    onFollow();
  } else {
    const [step, v] = frames[chosen];
    const full = address.replace("{step}", step).replace("{v}", v);
    showPicture(full, alt.replace("{step}", step));
  }
  draw();
  remember();
}

function pause() {
  clearInterval(playing);
  playing = 0;
  showPlaying();
}

function showPlaying() {
  const button = scrubber.querySelector(".play");
  button.classList.toggle("on", Boolean(playing));
  button.setAttribute("aria-label", playing ? scrubber.dataset.pause : scrubber.dataset.play);
}

function play() {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (chosen === null) select(0);
  playing = setInterval(() => {
    select(at() + 1);
    if (chosen === null) pause();
  }, calm ? CALM_MS : PLAY_MS);
  showPlaying();
}

// On a curve without pictures the marker alone moves, from point to point.
function moveOnCurve(plot, step) {
  if (frames.length) return select(nearest(step));
  return mark(step);
}

function steer(event) {
  const plot = event.target.closest("[data-curve]");
  const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
  const to = { Home: 0, End: Infinity }[event.key];
  if (!plot || event.target.type !== "range" || (by === undefined && to === undefined)) return;
  event.preventDefault();
  pause();
  if (frames.length) {
    select(to ?? at() + by);
    return;
  }
  const steps = JSON.parse(plot.dataset.points).map(([step]) => step);
  const now = steps.indexOf(pointAt(steps.map((step) => [step]), Number(event.target.value))[0]);
  mark(steps[Math.min(Math.max(to ?? now + by, 0), steps.length - 1)]);
}

function resize(link) {
  const plot = link.closest("[data-curve]");
  const large = plot.classList.toggle("large");
  link.textContent = large ? graphs.dataset.smaller : graphs.dataset.larger;
  link.setAttribute("aria-label", `${plot.querySelector(".title").textContent}: ${link.textContent}`);
}

function click(event) {
  const target = event.target.closest(".play, .step-back, .step-on, .newest, [data-go], .size");
  if (!target || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (target.matches(".size")) return resize(target);
  const wasPlaying = playing;
  pause();
  if (target.matches(".play")) return wasPlaying ? undefined : play();
  if (target.matches(".newest")) return select(end());
  if (target.matches("[data-go]")) return select(positionAt(Number(target.dataset.go)));
  return select(at() + (target.matches(".step-on") ? 1 : -1));
}

function wake() {
  for (const control of document.querySelectorAll("#scrubber [hidden]:is(input, .play), #curves input[hidden]")) {
    control.hidden = false;
  }
}

function keepData(target, source) {
  for (const [name, value] of Object.entries(source.dataset)) target.dataset[name] = value;
}

// Takes over what is new of a curve and leaves its slider, which may be held, and its size.
function adoptCurve(fresh) {
  const plot = graphs.querySelector(`[data-curve="${CSS.escape(fresh.dataset.curve)}"]`);
  if (!plot) return graphs.querySelector(".figures").before(document.adoptNode(fresh));
  keepData(plot, fresh);
  plot.classList.toggle("ranged", fresh.classList.contains("ranged"));
  for (const part of ["svg", ".axis", ".drawn", "details table"]) {
    plot.querySelector(part).replaceWith(document.adoptNode(fresh.querySelector(part)));
  }
  const input = plot.querySelector("input");
  input.min = fresh.dataset.first;
  return (input.max = fresh.dataset.last);
}

function adopt(page) {
  const fresh = page.getElementById("scrubber");
  const step = chosen === null ? null : frames[chosen][0];
  keepData(scrubber, fresh);
  if (!slider()) scrubber.replaceChildren(...fresh.childNodes);
  else if (fresh.querySelector(".notches")) {
    for (const part of [".notches", ".mark-best"]) {
      scrubber.querySelector(part).replaceWith(document.adoptNode(fresh.querySelector(part)));
    }
  }
  frames = JSON.parse(scrubber.dataset.frames);
  // After a resume from before it the picture looked at may be gone.
  chosen = step === null || !frames.length ? null : positionAt(step);
  for (const curve of page.querySelectorAll("[data-curve]")) adoptCurve(curve);
  const figures = page.querySelector(".figures");
  graphs.querySelector(".figures").replaceWith(document.adoptNode(figures));
  write(graphs.querySelector(".flat"), page.querySelector(".flat").textContent);
  wake();
  if (frames.length) draw();
  else if (plots().length) mark(lastStep());
}

// follow() is called when the reader returns to the newest picture.
export function followTimeline(follow, isLive) {
  if (!scrubber || !graphs) return;
  onFollow = follow;
  frames = JSON.parse(scrubber.dataset.frames);
  const { asked } = scrubber.dataset;
  chosen = asked === "" ? null : positionAt(Number(asked));
  let tag = "";

  async function ask() {
    const began = performance.now();
    const live = isLive(); // what is asked after the end is the last
    const headers = tag ? { "If-None-Match": tag } : {};
    const answer = await fetch(scrubber.dataset.fresh, { headers, cache: "no-store" });
    if (answer.status !== 304) {
      if (!answer.ok) throw new Error(String(answer.status));
      tag = answer.headers.get("ETag") ?? "";
      adopt(new DOMParser().parseFromString(await answer.text(), "text/html"));
    }
    // Long runs take the server longer to draw: it is asked the less often.
    return live && Math.max(FRESH_MS, SHARE * (performance.now() - began));
  }

  scrubber.addEventListener("input", () => {
    pause();
    select(Number(slider().value));
  });
  graphs.addEventListener("input", (event) => {
    pause();
    moveOnCurve(event.target.closest("[data-curve]"), Number(event.target.value));
  });
  graphs.addEventListener("keydown", steer);
  scrubber.addEventListener("click", click);
  graphs.addEventListener("click", click);
  wake();
  draw();
  if (isLive()) poll(ask, FRESH_MS);
}
