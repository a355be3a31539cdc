// Words beside the numbers: formulas and sentences as elements.
import { make } from "../dom.js";

const SCRIPTS = /([_^])\{([^}]*)\}|`([^`]*)`/g;

/** Text in which _{…} and ^{…} are set low and high, and `…` is code → nodes. */
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
 * A step: its formula, three sentences and where the code is, and beside them its numbers.
 *
 * words: { title, formula, sentences: [3], code } as in forwardwords.js.
 */
export function step(words, ...numbers) {
  return make("section", { class: "card step" },
    make("div", { class: "told" },
      make("h3", {}, ...marked(words.title)),
      make("p", { class: "formula" }, ...marked(words.formula)),
      make("p", {}, ...marked(words.sentences.join(" "))),
      make("p", { class: "soft" }, "In the code: ", ...marked(words.code))),
    make("div", { class: "numbers-side" }, ...numbers));
}

/** The same for many numbers: as wide as the page. */
export function wideStep(words, ...numbers) {
  const made = step(words, ...numbers);
  made.classList.add("whole");
  return made;
}

/** Steps in their order; a narrow one that no other narrow one stands beside becomes wide. */
export function pairUp(steps) {
  for (let k = 0; k < steps.length; k++) {
    const isNarrow = (element) => element && !element.classList.contains("whole");
    if (!isNarrow(steps[k])) continue;
    if (isNarrow(steps[k + 1])) k++;
    else steps[k].classList.add("whole");
  }
  return steps;
}
