// The stream of events of the run (api/events.py). After a lost connection the browser reconnects by
// itself and continues after the last event. A hidden page has no stream: browsers open at most six
// connections to a server, and pages in other tabs need them.

const RETRY = 5000; // milliseconds, after the server has refused a stream

/**
 * Follow the run.
 *
 * `on.record(record)`     a line of the run's live.jsonl (see callbacks/live.py)
 * `on.reset()`            the file was started again: forget all records
 * `on.changed(times)`     files in the run's folder were written; the time of each by its name
 * `on.connected(yes)`     the stream is connected, or lost and reconnecting
 */
export function follow(on) {
  let source = null;
  let after = ""; // the id of the last event
  let retry = 0;

  const tracked = (handle) => (event) => {
    after = event.lastEventId || after;
    handle(event);
  };

  function open() {
    close();
    source = new EventSource(`/api/events?after=${encodeURIComponent(after)}`);
    source.addEventListener("open", () => on.connected(true));
    source.addEventListener("error", () => {
      on.connected(false);
      if (source?.readyState === EventSource.CLOSED) retry = setTimeout(open, RETRY);
    });
    source.addEventListener("message", tracked(({ data }) => on.record(JSON.parse(data))));
    source.addEventListener("reset", tracked(() => on.reset()));
    source.addEventListener("changed", tracked(({ data }) => on.changed(JSON.parse(data))));
  }

  function close() {
    clearTimeout(retry);
    source?.close();
    source = null;
  }

  const seen = () => document.visibilityState !== "hidden";
  document.addEventListener("visibilitychange", () => (seen() ? source ?? open() : close()));
  if (seen()) open();
}
