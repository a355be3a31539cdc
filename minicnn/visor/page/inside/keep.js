// Keeps focus and scrolling while elements are replaced.

const places = (box) => [...box.querySelectorAll("button, [tabindex]")];

/** Replace the content of `box` by calling change(); focus and scroll positions stay. */
export function keepingPlace(box, change) {
  const before = places(box), focused = before.indexOf(document.activeElement);
  const scrolled = before.map((element) => [element.scrollTop, element.scrollLeft]);
  change();
  places(box).forEach((element, k) => {
    if (k === focused) element.focus({ preventScroll: true });
    if (scrolled[k]) [element.scrollTop, element.scrollLeft] = scrolled[k];
  });
}
