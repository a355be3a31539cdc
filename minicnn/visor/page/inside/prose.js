// Formulas and sentences as elements.
import { make } from "../dom.js";

const SCRIPTS = /([_^])\{([^}]*)\}|`([^`]*)`/g;

/** Text with _{subscript}, ^{superscript} and `code` → nodes. */
export function marked(text) {
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(SCRIPTS)) {
    nodes.push(text.slice(end, found.index));
    if (found[3] !== undefined) nodes.push(make("code", {}, found[3]));
    else nodes.push(make(found[1] === "_" ? "sub" : "sup", {}, found[2]));
    end = found.index + found[0].length;
  }
  return [...nodes, text.slice(end)].filter((node) => node !== "");
}

/**
 * A step: its formula, three sentences and the place in the code, with its numbers beside them.
 *
 * words: { title, formula, sentences: [3], code } as in forwardwords.js.
 */
export function step(words, ...numbers) {
  return make("section", { class: "card step" },
    make("div", {},
      make("h3", {}, ...marked(words.title)),
      make("p", { class: "formula" }, ...marked(words.formula)),
      make("p", {}, ...marked(words.sentences.join(" "))),
      make("p", { class: "soft" }, "In the code: ", ...marked(words.code))),
    make("div", { class: "numbers-side" }, ...numbers));
}

/** The same, as wide as the page. */
export function wideStep(words, ...numbers) {
  const made = step(words, ...numbers);
  made.classList.add("whole");
  return made;
}

/** Make each narrow step wide unless another narrow one follows beside it. */
export function pairUp(steps) {
  for (let k = 0; k < steps.length; k++) {
    const isNarrow = (element) => element && !element.classList.contains("whole");
    if (!isNarrow(steps[k])) continue;
    if (isNarrow(steps[k + 1])) k++;
    else steps[k].classList.add("whole");
  }
  return steps;
}
