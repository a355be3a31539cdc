// Names of layers and their numbers.

/** "1 Conv2D", "7 Dense": position in the network and label, as in the report and the tab Train. */
export const nameLayers = (layers) => layers.map((layer, place) => ({ ...layer, name: `${place + 1} ${layer.label}` }));

/** "4 MaxPool2D, row 3, column 4, channel 7"; layer −1 is the image. */
export function placeName({ layer, place }, layers) {
  const name = layer < 0 ? "the image" : layers[layer].name;
  const [first, ...rest] = place;
  if (first === undefined) return name;
  if (!rest.length) return `${name}, unit ${first}`;
  const channel = layer < 0 ? "" : `, channel ${rest[1]}`;
  return `${name}, row ${first}, column ${rest[0]}${channel}`;
}

/** The same without the layer's name. */
export const placeOnly = (where, layers) => {
  const whole = placeName(where, layers);
  return whole.slice(whole.indexOf(", ") + 2);
};

/** Whether an output is drawn as maps (H, W, C) or as one vector. */
export const isImage = (shape) => shape.length === 3;

/** The number of elements. */
export const size = (shape) => shape.reduce((product, n) => product * n, 1);
