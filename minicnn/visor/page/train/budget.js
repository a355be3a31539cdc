// Limits how often the page draws: training uses the same processors.

const REST = 120; // after drawing for t, pause for 120·t: at most 0.8 % of a processor's time
const LEAST = 1000; // milliseconds
const BURST = 200; // milliseconds: a page that opens late receives the whole run at once

/**
 * Calls `draw()` from time to time while `element` is on the screen. If draw() returns false, it had
 * nothing to draw and may be called again at once.
 *
 * Returns { request: draw when the budget allows, now: draw at once (for a user action) }. The last
 * request is always drawn, if necessary when the element becomes visible. The pause follows from the
 * faster of the last two drawings: the other may have been delayed or the first.
 */
export function budget(element, draw, least = LEAST) {
  let isWanted = false, isDrawing = false, isSeen = false, timer = null;
  let previous = 0, mayDraw = performance.now() + BURST;
  const isVisible = () => isSeen && document.visibilityState === "visible";

  function check() {
    if (!isWanted || isDrawing || !isVisible()) return;
    clearTimeout(timer);
    const rest = mayDraw - performance.now();
    if (rest > 0) timer = setTimeout(check, rest);
    else run();
  }

  async function run() {
    isWanted = false;
    isDrawing = true;
    const start = performance.now();
    let hasDrawn = true;
    try {
      hasDrawn = (await draw()) !== false;
    } finally {
      const took = performance.now() - start;
      if (hasDrawn) mayDraw = performance.now() + Math.max(least, REST * Math.min(took, previous));
      if (hasDrawn) previous = took;
      isDrawing = false;
      check();
    }
  }

  new IntersectionObserver((entries) => {
    isSeen = entries.at(-1).isIntersecting;
    check();
  }, { rootMargin: "100px" }).observe(element);
  document.addEventListener("visibilitychange", check);
  return {
    request() {
      isWanted = true;
      check();
    },
    now() {
      isWanted = true;
      mayDraw = 0;
      check();
    },
  };
}
