// Words for what the API says in numbers; the server wrote them into the page.

// Keep in step with webui/durations.py, whose table stands in data-durations.
export function about(table, seconds) {
  const length = Math.max(0, seconds);
  const [, unit, step, text] = table.find(([below]) => below === null || length < below);
  return text.replace("{n}", Math.floor(length / unit / step + 0.5) * step);
}

// What is left of a job: its place in line, or the time its run still takes.
export function left(job, data) {
  const table = JSON.parse(data.durations);
  if (job.queue) {
    const place = data.line.replace("{position}", job.queue.position);
    const wait = job.queue.eta_seconds;
    return wait === null ? place : `${place}, ${about(table, wait)}`;
  }
  if (job.status !== "running" || job.run_eta_seconds === null) return "\u00a0";
  return data.left.replace("{time}", about(table, job.run_eta_seconds));
}

// Writes only what changed, so that nothing flickers and nobody hears it twice.
export function write(place, text) {
  if (place && place.textContent !== text) place.textContent = text;
}
