// Asking the server. What it refuses becomes an Error whose message a reader can be shown.

const AGAIN = 1000; // milliseconds between two looks for a server that did not answer
const listeners = [];
let isSought = false;

/** Be told when the server answers again, after a question that it did not: it was ended, and begun anew. */
export const onReturn = (listener) => listeners.push(listener);

function seek() {
  if (isSought || !listeners.length) return;
  isSought = true;
  setTimeout(look, AGAIN);
}

async function look() {
  try {
    await fetch("/api/about", { cache: "no-store" });
  } catch {
    setTimeout(look, AGAIN);
    return;
  }
  isSought = false;
  for (const listener of listeners) listener();
}

async function answer(path, options) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", ...options });
  } catch {
    seek();
    throw new Error("The visor does not answer. Is it still running?");
  }
  if (response.ok) return response;
  const refusal = await response.json().catch(() => ({}));
  const error = new Error(refusal.error ?? `The visor answered ${response.status}.`);
  error.status = response.status;
  throw error;
}

/** GET → what its JSON holds. */
export const get = async (path) => (await answer(path)).json();

/** POST a value as JSON → what the answer's JSON holds. */
export async function post(path, value, options = {}) {
  const headers = { "content-type": "application/json" };
  return (await answer(path, { method: "POST", headers, body: JSON.stringify(value), ...options })).json();
}

/** POST a Blob as it is → what the answer's JSON holds. */
export async function postBlob(path, blob, options = {}) {
  const headers = { "content-type": blob.type };
  return (await answer(path, { method: "POST", headers, body: blob, ...options })).json();
}

/** DELETE → what the answer's JSON holds. */
export const remove = async (path) => (await answer(path, { method: "DELETE" })).json();
