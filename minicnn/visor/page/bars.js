// A bar for the probability of each class.
import { make, percent } from "./dom.js";

/** Fill `list` (a <ul class="bars">) with a row for each class; returns show(probabilities | null). */
export function bars(list, names) {
  const rows = names.map((name) => {
    const fill = make("div", { class: "fill" });
    const share = make("span", { class: "share" }, "–");
    const item = make("li", {}, make("span", {}, name), make("div", { class: "track" }, fill), share);
    return { item, fill, share };
  });
  list.replaceChildren(...rows.map((row) => row.item));
  return (probabilities) => {
    const best = probabilities ? probabilities.indexOf(Math.max(...probabilities)) : -1;
    rows.forEach((row, k) => {
      row.fill.style.setProperty("--share", probabilities ? probabilities[k] : 0);
      row.share.textContent = probabilities ? percent(probabilities[k]) : "–";
      row.item.classList.toggle("best", k === best);
    });
  };
}
