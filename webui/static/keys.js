// Single keys that act, listed by "?". They can be switched off, and never act while typing.

const dialog = document.getElementById("keys");
const enabled = document.getElementById("keys-on");
const STORED = "atelier-keys";

// Keys mean something to these; a slider or a tick takes neither letters nor "?".
const TYPING = 'input:not([type="range"], [type="checkbox"], [type="radio"]), select, textarea, [contenteditable]';

function isTyping(target) {
  return target.closest?.(TYPING) !== null;
}

function placeOf(key) {
  return /^[a-z]$/.test(key) ? document.querySelector(`[data-key="${key}"]`) : null;
}

function search() {
  const field = document.getElementById("search");
  if (field) field.focus();
  else placeOf("j")?.click();
}

function act(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (event.key === "?") {
    if (!dialog.open) dialog.showModal();
  } else if (enabled.checked && !dialog.open) {
    const place = placeOf(event.key);
    if (place) place.click();
    else if (event.key === "/") search();
    else return;
  } else return;
  event.preventDefault();
}

enabled.checked = localStorage.getItem(STORED) !== "off";
enabled.addEventListener("change", () => {
  localStorage.setItem(STORED, enabled.checked ? "on" : "off");
});
document.addEventListener("keydown", act);

// A refused form: begin at the list of what is wrong.
document.getElementById("summary")?.focus();
