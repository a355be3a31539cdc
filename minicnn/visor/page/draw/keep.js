// "Wrong? It was a …": saves drawings with their labels.
import { byId, count, make } from "../dom.js";
import { get, post, remove } from "../server.js";

/** `png()` returns the drawing as a Blob, `polarity()` its polarity or null. */
export function saving(png, polarity) {
  const buttons = [];
  let isSaved = false; // the current drawing
  const status = byId("draw-saved");
  const removeButton = byId("draw-remove");

  removeButton.addEventListener("click", () => report(remove("/api/drawings/last"), "Removed."));
  report(get("/api/drawings"), "");

  /** Show the result of a request; returns whether it succeeded. */
  async function report(request, done) {
    try {
      const saved = await request;
      removeButton.hidden = !saved.count;
      status.replaceChildren(...sentence(saved, done));
      return true;
    } catch (error) {
      status.replaceChildren(make("span", { class: "error" }, error.message));
      return false;
    }
  }

  async function save(label, name) {
    isSaved = true;
    enable(false); // save each drawing once
    if (await report(send(label), `Saved as ${name}.`)) return;
    isSaved = false; // allow another try
    enable(true);
  }

  async function send(label) {
    return post("/api/drawings", { image: await base64(await png()), label, polarity: polarity() });
  }

  function enable(yes) {
    for (const button of buttons) button.disabled = !yes || isSaved;
  }

  return {
    /** A button for each class. */
    classes(names) {
      buttons.splice(0, buttons.length, ...names.map((name, label) => make("button", { disabled: true, onclick: () => save(label, name) }, name)));
      byId("draw-labels").replaceChildren(...buttons);
    },
    /** The drawing has changed. */
    changed() {
      isSaved = false;
    },
    enable,
  };
}

function sentence({ count: number, folder, command }, done) {
  if (!number) return [`${done} Choose the right class to save the drawing in ${folder}/ and train on it later.`.trim()];
  const line = `${done} ${count(number)} ${number === 1 ? "drawing" : "drawings"} saved in ${folder}/.`.trim();
  if (!command) return [`${line} Save one more to train on them.`];
  return [`${line} Train on them: `, make("code", {}, command)];
}

async function base64(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
