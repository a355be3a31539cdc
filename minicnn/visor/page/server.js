// Requests to the server. A failed one throws an Error with a message for the user.

const RETRY = 1000; // milliseconds
const listeners = [];
let isPolling = false;

/** Call `listener` when the server answers again after a request without an answer (it was restarted). */
export const onReturn = (listener) => listeners.push(listener);

function startPolling() {
  if (isPolling || !listeners.length) return;
  isPolling = true;
  setTimeout(poll, RETRY);
}

async function poll() {
  try {
    await fetch("/api/about", { cache: "no-store" });
  } catch {
    setTimeout(poll, RETRY);
    return;
  }
  isPolling = false;
  for (const listener of listeners) listener();
}

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", ...options });
  } catch {
    startPolling();
    throw new Error("The visor does not answer. Is it still running?");
  }
  if (response.ok) return response;
  const refusal = await response.json().catch(() => ({}));
  const error = new Error(refusal.error ?? `The visor answered ${response.status}.`);
  error.status = response.status;
  throw error;
}

/** GET → the JSON of the answer. */
export const get = async (path) => (await request(path)).json();

/** POST a value as JSON → the JSON of the answer. */
export async function post(path, value, options = {}) {
  const headers = { "content-type": "application/json" };
  return (await request(path, { method: "POST", headers, body: JSON.stringify(value), ...options })).json();
}

/** POST a Blob → the JSON of the answer. */
export async function postBlob(path, blob, options = {}) {
  const headers = { "content-type": blob.type };
  return (await request(path, { method: "POST", headers, body: blob, ...options })).json();
}

/** DELETE → the JSON of the answer. */
export const remove = async (path) => (await request(path, { method: "DELETE" })).json();
