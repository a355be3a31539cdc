// The drawing area: strokes by pointer or keyboard, stored as points so that they can be undone.

const SIZE = 280; // pixels per side, as in the tutorial
const STEP = 6; // pixels per arrow key

/**
 * Draw on `canvas`. `pen` is an element that shows the keyboard's pen; `changed(how)` is called after
 * each change: "drawing" during a stroke, "lifted" at its end, "replaced" after an undo or a photo.
 */
export function paper(canvas, pen, changed) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const strokes = []; // each { width, points: [[x, y], …], pointer: its id, null: the keyboard }
  let width = 20;
  let current = null; // the unfinished stroke
  let picture = null; // a photo instead of strokes
  let place = null; // of the keyboard's pen
  let isDown = false;
  let revision = 0; // counts changes

  function redraw() {
    revision++;
    context.fillStyle = "#000";
    context.fillRect(0, 0, SIZE, SIZE);
    if (picture) {
      const scale = Math.min(SIZE / picture.width, SIZE / picture.height);
      const [w, h] = [picture.width * scale, picture.height * scale];
      context.drawImage(picture, (SIZE - w) / 2, (SIZE - h) / 2, w, h);
    }
    for (const stroke of strokes) drawStroke(context, stroke);
  }

  function begin(point, pointer = null) {
    current = { width, points: [point], pointer };
    strokes.push(current);
    redraw();
    changed("drawing");
  }

  function extend(points) {
    current.points.push(...points);
    redraw();
    changed("drawing");
  }

  function end() {
    current = null;
    changed("lifted");
  }

  function inCanvas(event) {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * SIZE) / box.width, ((event.clientY - box.top) * SIZE) / box.height];
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || picture || current) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    lift();
    begin(inCanvas(event), event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (current?.pointer !== event.pointerId) return; // a second finger, or the palm
    const events = event.getCoalescedEvents?.() ?? [];
    extend((events.length ? events : [event]).map(inCanvas));
  });
  for (const name of ["pointerup", "pointercancel"])
    canvas.addEventListener(name, (event) => { if (current?.pointer === event.pointerId) end(); });

  // ---- the keyboard's pen ----

  function showPen() {
    pen.hidden = place === null;
    if (!place) return;
    pen.style.left = `${(100 * place[0]) / SIZE}%`;
    pen.style.top = `${(100 * place[1]) / SIZE}%`;
    pen.classList.toggle("down", isDown);
  }

  function lift() {
    if (isDown) end();
    isDown = false;
    place = null;
    showPen();
  }

  const moves = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
  canvas.addEventListener("keydown", (event) => {
    if (picture || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in moves) {
      place ??= [SIZE / 2, SIZE / 4];
      place = place.map((value, axis) => Math.min(Math.max(value + moves[event.key][axis], 0), SIZE));
      if (isDown) extend([place]);
    } else if (event.key === " ") {
      place ??= [SIZE / 2, SIZE / 4];
      isDown = !isDown;
      if (isDown) begin(place);
      else end();
    } else if (event.key === "Escape" || event.key === "Delete") self.clear();
    else if (event.key === "Backspace") self.undo();
    else return;
    event.preventDefault();
    showPen();
  });
  canvas.addEventListener("blur", lift);

  const self = {
    /** Whether the drawing area is empty. */
    get isEmpty() { return !strokes.length && !picture; },
    /** Changes with every change of the drawing. */
    get revision() { return revision; },
    /** The photo that is shown, or null. */
    get photo() { return picture; },
    /** The width of new strokes, in pixels of 280. */
    set width(value) { width = value; },
    /** Remove the last stroke. */
    undo() {
      strokes.pop();
      current = null;
      isDown = false;
      redraw();
      changed("replaced");
    },
    /** Remove everything. */
    clear() {
      strokes.length = 0;
      current = picture = place = null;
      isDown = false;
      redraw();
      showPen();
      changed("replaced");
    },
    /** Show a photo instead of strokes. */
    show(bitmap) {
      self.clear();
      picture = bitmap;
      redraw();
      changed("replaced");
    },
    /** The drawing as a PNG of 280×280 pixels, or the whole photo with at most 512 pixels per side. */
    png() {
      if (!picture) return Promise.resolve(pngOf(canvas));
      const scale = Math.min(1, 512 / Math.max(picture.width, picture.height));
      const copy = new OffscreenCanvas(Math.max(1, Math.round(picture.width * scale)), Math.max(1, Math.round(picture.height * scale)));
      copy.getContext("2d").drawImage(picture, 0, 0, copy.width, copy.height);
      return copy.convertToBlob({ type: "image/png" });
    },
  };
  redraw();
  return self;
}

/** Synchronous: toBlob waits until the browser is idle, about 15 ms while drawing. */
function pngOf(canvas) {
  const base64 = canvas.toDataURL("image/png").split(",")[1];
  return new Blob([Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))], { type: "image/png" });
}

/** A smooth line: each point is the control point of a curve between the midpoints to its neighbours. */
function drawStroke(context, { width, points }) {
  context.strokeStyle = context.fillStyle = "#fff";
  context.lineWidth = width;
  context.lineCap = context.lineJoin = "round";
  const [x, y] = points[0];
  context.beginPath();
  if (points.length === 1) {
    context.arc(x, y, width / 2, 0, 2 * Math.PI);
    context.fill();
    return;
  }
  context.moveTo(x, y);
  for (let i = 1; i < points.length - 1; i++) {
    const [a, b] = [points[i], points[i + 1]];
    context.quadraticCurveTo(a[0], a[1], (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
  }
  context.lineTo(...points.at(-1));
  context.stroke();
}
