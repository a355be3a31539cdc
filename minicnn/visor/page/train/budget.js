// When to draw: training goes on beside the page, on the same processors.

const SHARE = 120; // what took t rests for 120·t: at most 0.8 % of a processor's time
const LEAST = 1000; // milliseconds
const BURST = 200; // milliseconds: a page that is opened late is told the whole run at once

/**
 * Has `draw()` called, now and then, while `element` is on the screen. What returns false has found
 * nothing to draw, and may be called again at once.
 *
 * Returns { request: draw when it may be, now: draw before anything else (a reader has asked for it) }.
 * What was requested last is always drawn, if only once the element is seen. The rest is measured by
 * the quicker of the last two drawings: one of them may have been kept waiting, or been the first.
 */
export function budget(element, draw, least = LEAST) {
  let isWanted = false, isDrawing = false, isSeen = false, timer = null;
  let previous = 0, mayDraw = performance.now() + BURST;
  const isVisible = () => isSeen && document.visibilityState === "visible";

  function look() {
    if (!isWanted || isDrawing || !isVisible()) return;
    clearTimeout(timer);
    const rest = mayDraw - performance.now();
    if (rest > 0) timer = setTimeout(look, rest);
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
      if (hasDrawn) mayDraw = performance.now() + Math.max(least, SHARE * Math.min(took, previous));
      if (hasDrawn) previous = took;
      isDrawing = false;
      look();
    }
  }

  new IntersectionObserver((entries) => {
    isSeen = entries.at(-1).isIntersecting;
    look();
  }, { rootMargin: "100px" }).observe(element);
  document.addEventListener("visibilitychange", look);
  return {
    request() {
      isWanted = true;
      look();
    },
    now() {
      isWanted = true;
      mayDraw = 0;
      look();
    },
  };
}
