// Before and after in one frame: a range input, so it works by mouse, touch and keyboard.

export function addSliders() {
  for (const frame of document.querySelectorAll("[data-compare]")) {
    if (frame.querySelector("input")) continue;
    const before = frame.querySelector(".before");
    const divider = document.createElement("span");
    divider.className = "divider";
    const slider = document.createElement("input");
    Object.assign(slider, { type: "range", min: 0, max: 100, step: 1, value: 0 });
    slider.setAttribute("aria-label", frame.dataset.compare);
    const show = () => {
      before.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`;
      divider.style.left = `${slider.value}%`;
      divider.hidden = slider.value === "0";
    };
    slider.addEventListener("input", show);
    frame.append(divider, slider);
    show();
  }
}
