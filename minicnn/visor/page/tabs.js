// The tabs, after the ARIA authoring practices: arrow keys, Home and End move. The address has the tab.
const buttons = [...document.querySelectorAll('[role="tab"]')];
const names = buttons.map((button) => button.getAttribute("aria-controls"));
const listeners = new Map();
let current = null;

/** Call listener(true) when the tab `name` is shown, listener(false) when it is hidden. */
export function onTab(name, listener) {
  listeners.set(name, [...(listeners.get(name) ?? []), listener]);
}

/** Show the tab `name`. */
function show(name) {
  if (name === current) return;
  for (const button of buttons) {
    const own = button.getAttribute("aria-controls");
    button.setAttribute("aria-selected", String(own === name));
    button.tabIndex = own === name ? 0 : -1;
    document.getElementById(own).hidden = own !== name;
  }
  const left = current;
  current = name;
  for (const listener of listeners.get(left) ?? []) listener(false);
  for (const listener of listeners.get(name) ?? []) listener(true);
}

const wanted = () => (names.includes(location.hash.slice(1)) ? location.hash.slice(1) : names[0]);

/** Show the tab in the address, also when it changes. */
export function startTabs() {
  show(wanted());
  addEventListener("hashchange", () => show(wanted()));
  buttons.forEach((button, place) => {
    button.addEventListener("click", () => (location.hash = names[place]));
    button.addEventListener("keydown", (event) => {
      const places = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: -1 };
      if (!(event.key in places)) return;
      event.preventDefault();
      const next = buttons.at(places[event.key] % buttons.length);
      location.hash = next.getAttribute("aria-controls");
      next.focus();
    });
  });
}
