// The stream of what happens in the run (api/events.py). The browser keeps it up by itself: it asks
// again after the last event that it got, so nothing is missed and nothing comes twice. A page that
// nobody sees has none: browsers open six connections to a server, and pages in other tabs need them.

const AGAIN = 5000; // milliseconds, after the server has refused a stream

/**
 * Follow the run.
 *
 * `on.record(record)`     a line of the run's live.jsonl (callbacks/live.py says what there is)
 * `on.anew()`             the file begins anew: forget all records
 * `on.changed(marks)`     files of the run's folder are new; when each was written, by its name
 * `on.connected(yes)`     the stream is there, or was lost and is being sought
 */
export function follow(on) {
  let source = null;
  let after = ""; // the id of the last event
  let waiting = 0;

  const heard = (say) => (event) => {
    after = event.lastEventId || after;
    say(event);
  };

  function open() {
    close();
    source = new EventSource(`/api/events?after=${encodeURIComponent(after)}`);
    source.addEventListener("open", () => on.connected(true));
    source.addEventListener("error", () => {
      on.connected(false);
      if (source?.readyState === EventSource.CLOSED) waiting = setTimeout(open, AGAIN);
    });
    source.addEventListener("message", heard(({ data }) => on.record(JSON.parse(data))));
    source.addEventListener("anew", heard(() => on.anew()));
    source.addEventListener("changed", heard(({ data }) => on.changed(JSON.parse(data))));
  }

  function close() {
    clearTimeout(waiting);
    source?.close();
    source = null;
  }

  const seen = () => document.visibilityState !== "hidden";
  document.addEventListener("visibilitychange", () => (seen() ? source ?? open() : close()));
  if (seen()) open();
}
