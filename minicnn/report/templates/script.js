// A click on a cell of the confusion matrix shows the images behind it.
"use strict";
const { names, columns, images } = JSON.parse(document.getElementById("cells").textContent);
const panel = document.getElementById("cell");

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

// images: [row in the test part, true class, predicted class, probability] in the sprite's order
function digit(number) {
  const [row, isTrue, predicted, probability] = images[number];
  const picture = element("span", "sprite");
  picture.style.setProperty("--x", number % columns);
  picture.style.setProperty("--y", Math.floor(number / columns));
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", `test image ${row}`);
  const which = element("small", "", `no. ${row}`);
  const confidence = `${Math.round(100 * probability)} % confidence`;
  const caption = element("figcaption", "", confidence, element("br"), which);
  return element("figure", isTrue === predicted ? "digit" : "digit wrong", picture, caption);
}

function show(button) {
  const [isTrue, predicted] = button.dataset.cell.split("-").map(Number);
  const found = images.flatMap(([, t, p], number) => (t === isTrue && p === predicted ? number : []));
  const count = Number(button.textContent);
  const what = isTrue === predicted ? "predicted correctly" : `predicted as ${names[predicted]}`;
  let line = `${count} of class ${names[isTrue]}, ${what}`;
  if (!found.length) line += " (their images are not on this page, to limit its size)";
  else if (found.length < count)
    line += isTrue === predicted
      ? `; the ${found.length} least confident:`
      : `; the ${found.length} most confident:`;
  panel.replaceChildren(element("h3", "", line), element("div", "digits", ...found.map(digit)));
  for (const other of document.querySelectorAll(".confusion button"))
    other.setAttribute("aria-pressed", String(other === button));
}

for (const button of document.querySelectorAll(".confusion button"))
  button.addEventListener("click", () => show(button));
