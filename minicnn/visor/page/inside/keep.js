// Elements that are made anew while somebody works with them.

const places = (box) => [...box.querySelectorAll("button, [tabindex]")];

/** Change the content of `box`; where the focus was and what was scrolled stays where it was. */
export function keepingPlace(box, change) {
  const before = places(box), focused = before.indexOf(document.activeElement);
  const scrolled = before.map((element) => [element.scrollTop, element.scrollLeft]);
  change();
  places(box).forEach((element, k) => {
    if (k === focused) element.focus({ preventScroll: true });
    if (scrolled[k]) [element.scrollTop, element.scrollLeft] = scrolled[k];
  });
}
