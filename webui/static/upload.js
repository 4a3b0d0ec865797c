// One upload of a form's files: how far it is, and what the studio made of it, or why not, in words.

// Sends a body to an address of the API. ``form`` holds the token, and in data-refused the words for
// when the studio said none itself.
export function upload(form, address, body, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    request.setRequestHeader("X-CSRF-Token", form.elements.namedItem("csrf_token").value);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress((100 * event.loaded) / event.total);
    });
    request.addEventListener("load", () => {
      if (request.status === 201) resolve(request.response);
      else reject(new Error(request.response?.detail ?? form.dataset.refused));
    });
    request.addEventListener("error", () => reject(new Error(form.dataset.refused)));
    request.send(body);
  });
}

// Files dragged over a place are dropped there; other things that are dragged go on as they are.
export function takeDrops(place, onDrop) {
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  place.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    place.classList.add("over");
  });
  place.addEventListener("dragleave", () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    place.classList.remove("over");
    onDrop(event.dataTransfer);
  });
}
