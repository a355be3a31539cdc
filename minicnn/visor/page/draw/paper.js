// The paper: strokes by pointer or keyboard, kept as points, so that they can be undone and drawn anew.

const SIZE = 280; // pixels a side, as the tutorial's canvas
const STEP = 6; // pixels that an arrow key moves the pen

/**
 * Draw on `canvas`. `pen` is an element that shows where the keyboard's pen is; `changed(how)` is
 * called after each change: "drawing" while a stroke goes on, "lifted" when it has ended, "replaced"
 * when something was taken away, or a photo came.
 */
export function paper(canvas, pen, changed) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const strokes = []; // each { width, points: [[x, y], …], pointer: that draws it, null: the keyboard }
  let width = 20;
  let current = null; // the stroke that goes on
  let picture = null; // a photo in place of strokes
  let place = null; // of the keyboard's pen
  let isDown = false;
  let revision = 0; // counts the states of the paper

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
    /** Whether nothing is drawn. */
    get isEmpty() { return !strokes.length && !picture; },
    /** Differs whenever what is on the paper does. */
    get revision() { return revision; },
    /** The photo that is shown, or null. */
    get photo() { return picture; },
    /** The width of strokes from now on, in pixels of 280. */
    set width(value) { width = value; },
    /** Take the last stroke away. */
    undo() {
      strokes.pop();
      current = null;
      isDown = false;
      redraw();
      changed("replaced");
    },
    /** Take everything away. */
    clear() {
      strokes.length = 0;
      current = picture = place = null;
      isDown = false;
      redraw();
      showPen();
      changed("replaced");
    },
    /** Show a photo in place of strokes. */
    show(bitmap) {
      self.clear();
      picture = bitmap;
      redraw();
      changed("replaced");
    },
    /** What is on the paper as a PNG, 280×280; of a photo, all of it, at most 512 pixels a side. */
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

/** At once: toBlob would wait until the browser has nothing else to do, some 15 ms while one draws. */
function pngOf(canvas) {
  const base64 = canvas.toDataURL("image/png").split(",")[1];
  return new Blob([Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))], { type: "image/png" });
}

/** A smooth line: each point is the control point of a curve between the middles of its neighbours. */
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
