// Tells through the browser that a job has ended: asked for on a button, never by itself.

const KEY = "atelier-notify";
const ENDED = ["succeeded", "failed"];

function offer(button, state) {
  if (!("Notification" in window)) return;
  const show = () => {
    const on = Notification.permission === "granted" && localStorage.getItem(KEY) === "on";
    const denied = Notification.permission === "denied";
    button.hidden = on || denied;
    state.textContent = on ? button.dataset.on : denied ? button.dataset.denied : "";
  };
  button.addEventListener("click", async () => {
    if ((await Notification.requestPermission()) === "granted") localStorage.setItem(KEY, "on");
    show();
  });
  show();
}

// The page of a job says in its data-status where the job stands.
function tellOf(job) {
  let before = job.dataset.status;
  new MutationObserver(() => {
    const now = job.dataset.status;
    const ended = ENDED.includes(now) && !ENDED.includes(before);
    before = now;
    if (!ended || Notification.permission !== "granted" || localStorage.getItem(KEY) !== "on") return;
    const told = new Notification(document.title, { tag: job.dataset.job });
    told.addEventListener("click", () => window.focus());
  }).observe(job, { attributes: true, attributeFilter: ["data-status"] });
}

const button = document.getElementById("notify");
if (button) offer(button, document.getElementById("notify-state"));
const job = document.getElementById("job");
if (job && "Notification" in window) tellOf(job);
