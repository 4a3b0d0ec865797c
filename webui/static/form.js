// Comfort for forms that work without it: drop and bring pictures at once with their upload's
// progress, sliders beside numbers, and what an open field means: the chosen model's value, or the
// chosen preset's.

import { takeDrops, upload } from "./upload.js";
import { write } from "./words.js";

const form = document.querySelector("form.maker");

function send(file, onProgress) {
  const body = new FormData();
  body.append("file", file);
  return upload(form, "/api/v1/files", body, onProgress);
}

function say(field, text) {
  const place = field.querySelector(".faults");
  place.replaceChildren();
  if (!text) return;
  const line = document.createElement("p");
  line.className = "fault";
  line.role = "alert";
  line.textContent = text;
  place.append(line);
}

function hang(field, kept) {
  const wall = field.querySelector(".wall");
  const tile = document.createElement("label");
  tile.className = "tile";
  const pick = document.createElement("input");
  pick.type = wall.dataset.many === "yes" ? "checkbox" : "radio";
  pick.name = field.dataset.field;
  pick.value = kept.id;
  const small = picture(`/thumbnails/${kept.id}?size=160`, "small", kept.name);
  small.width = small.height = 64;
  tile.append(pick, small, picture(`/thumbnails/${kept.id}?size=960`, "large", ""));
  wall.querySelector(".invite").after(tile);
  makeRoom(wall);
  pick.checked = true;
  pick.dispatchEvent(new Event("change", { bubbles: true }));
}

function picture(address, name, words) {
  const made = document.createElement("img");
  made.src = address;
  made.className = name;
  made.alt = words;
  return made;
}

// What the page itself had chosen gives way to what somebody brings.
function makeRoom(wall) {
  const chosen = [...wall.querySelectorAll("input:checked")];
  const given = chosen.filter((each) => each.value.startsWith("sample:") && !each.dataset.picked);
  const most = Number(wall.dataset.most);
  for (const each of given) each.checked = false;
  if (chosen.length - given.length >= most) chosen.at(-1).checked = false;
}

async function bring(field, files) {
  const bar = field.querySelector(".bring progress");
  say(field, "");
  bar.hidden = false;
  for (const file of files) {
    bar.value = 0;
    try {
      hang(field, await send(file, (percent) => { bar.value = percent; }));
    } catch (refused) {
      say(field, `${file.name}: ${refused.message}`);
    }
  }
  bar.hidden = true;
}

function takePictures(field) {
  const input = field.querySelector('input[type="file"]');
  if (!input) return;
  takeDrops(field, (transfer) => {
    const many = field.querySelector(".wall").dataset.many === "yes";
    bring(field, [...transfer.files].slice(0, many ? undefined : 1));
  });
  input.addEventListener("change", async () => {
    const files = [...input.files];
    input.value = ""; // it is sent now, not with the form
    await bring(field, files);
  });
  field.addEventListener("click", (event) => {
    if (event.target.matches(".tile input")) event.target.dataset.picked = "yes";
  });
}

function addSlider(measure) {
  const number = measure.querySelector("input");
  const slider = document.createElement("input");
  slider.type = "range";
  slider.min = number.min;
  slider.max = number.max;
  slider.step = number.step === "any" ? (number.max - number.min) / 200 : number.step;
  slider.tabIndex = -1; // the number beside it is the control for the keyboard
  slider.setAttribute("aria-hidden", "true");
  const follow = () => { slider.value = number.value || number.placeholder || number.min; };
  slider.addEventListener("input", () => {
    number.value = Number(slider.value).toFixed(number.step === "1" ? 0 : 2);
  });
  number.addEventListener("input", follow);
  number.addEventListener("filled", follow);
  measure.prepend(slider);
  follow();
}

// A model that is gone on from outranks the preset, as it does where the job is commissioned.
function fill() {
  const preset = form.querySelector("[data-fills]:checked");
  const model = form.querySelector("[data-settles]:checked");
  const settled = model ? JSON.parse(model.dataset.settles) : {};
  const values = { ...(preset ? JSON.parse(preset.dataset.fills) : {}), ...settled };
  for (const number of form.querySelectorAll("[data-default]")) {
    number.placeholder = values[number.name] ?? number.dataset.default;
    number.dispatchEvent(new Event("filled"));
  }
  for (const open of form.querySelectorAll("[data-open]")) {
    const { open: name, alone, withModel } = open.dataset;
    open.textContent = name in settled ? withModel.replace("{value}", settled[name]) : alone;
  }
}

// How long it should take follows what is chosen. Whoever chooses on gets the newest answer.
let asked = 0;
async function expect() {
  const turn = ++asked;
  await new Promise((due) => { setTimeout(due, 300); });
  if (turn !== asked) return;
  const body = new FormData(form);
  for (const [name, value] of [...body]) if (value instanceof File) body.delete(name);
  // A field may be called "dataset", and the form's own property of that name is then the field.
  const answer = await fetch(form.getAttribute("data-expected"), { method: "POST", body }).catch(() => null);
  const words = answer && answer.ok ? await answer.text() : "";
  if (turn === asked) write(form.querySelector('[data-words="run"]'), words);
}

form.classList.add("scripted");
form.querySelectorAll(".field.reference").forEach(takePictures);
form.querySelectorAll("[data-slider]").forEach(addSlider);
form.addEventListener("change", (event) => { if (event.target.type === "radio") fill(); });
fill();
form.addEventListener("input", expect);
form.addEventListener("change", expect);
form.addEventListener("submit", () => {
  for (const button of form.querySelectorAll("button.main")) button.disabled = true;
});
addEventListener("pageshow", () => {
  fill(); // a browser that goes back chooses again what was chosen
  for (const button of form.querySelectorAll("button.main")) button.disabled = false;
});
