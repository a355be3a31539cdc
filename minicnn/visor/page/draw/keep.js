// "Wrong? It was a …": drawings with their labels, kept in a sheet of the user's own.
import { byId, count, make } from "../dom.js";
import { get, post, remove } from "../server.js";

/** `png()` gives the drawing as a Blob, `polarity()` what is known of it. */
export function keeping(png, polarity) {
  const buttons = [];
  let isKept = false; // what is on the paper
  const told = byId("draw-kept");
  const back = byId("draw-takeback");

  back.addEventListener("click", () => settle(remove("/api/drawings/last"), "Taken back."));
  settle(get("/api/drawings"), "");

  /** Tell what is kept now; whether all went well. */
  async function settle(asked, done) {
    try {
      const kept = await asked;
      back.hidden = !kept.count;
      told.replaceChildren(...sentence(kept, done));
      return true;
    } catch (error) {
      told.replaceChildren(make("span", { class: "error" }, error.message));
      return false;
    }
  }

  async function keep(label, name) {
    isKept = true;
    enable(false); // one click, one drawing
    if (await settle(send(label), `Kept as ${name}.`)) return;
    isKept = false; // it may be tried again
    enable(true);
  }

  async function send(label) {
    return post("/api/drawings", { image: await base64(await png()), label, polarity: polarity() });
  }

  function enable(yes) {
    for (const button of buttons) button.disabled = !yes || isKept;
  }

  return {
    /** A button for each class. */
    classes(names) {
      buttons.splice(0, buttons.length, ...names.map((name, label) => make("button", { disabled: true, onclick: () => keep(label, name) }, name)));
      byId("draw-labels").replaceChildren(...buttons);
    },
    /** Another drawing is on the paper. */
    changed() {
      isKept = false;
    },
    enable,
  };
}

function sentence({ count: number, folder, command }, done) {
  if (!number) return [`${done} Say what it was, and the drawing is kept in ${folder}/, to train on later.`.trim()];
  const line = `${done} ${count(number)} ${number === 1 ? "drawing is" : "drawings are"} kept in ${folder}/.`.trim();
  if (!command) return [`${line} One more, and you can train on them.`];
  return [`${line} Train on them: `, make("code", {}, command)];
}

async function base64(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
