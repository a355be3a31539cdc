// The texts of each step forward: a formula and three sentences.

const NUMPY = "`kernels/numpy_kernels.py`";

const step = (name, tap, stride, dilation, padding) =>
  `${stride > 1 ? stride : ""}${name}+${dilation > 1 ? dilation : ""}${tap}${padding ? `−${padding}` : ""}`;

/** The indices of the pixel under tap (i, j) of the window at (r, c): "r+i, c+j, k". */
export const indices = (win) =>
  `${step("r", "i", win.SH, win.DH, win.top)}, ${step("c", "j", win.SW, win.DW, win.left)}, k`;

export const convolution = (n, win) => ({
  title: "Convolution: a window times a filter",
  formula: `s = Σ_{i,j,k} x_{${indices(win)}} · w_{i,j,k}`,
  sentences: [
    `The filter lies over one window of the layer's input, and each number under it is multiplied by the weight above it.`,
    `All ${n.taps} products are added up: a large sum means that the window looks like the filter, a negative one that it looks like its opposite.`,
    `The same filter slides over the whole image, so it detects the same pattern everywhere.`,
  ],
  code: "`conv2d` in `kernels/reference.py` is this sum as plain loops.",
});

export const patches = (n) => ({
  title: "The same as a row times a column",
  formula: `s = cols · W, sizes (${n.patch_rows} × ${n.taps}) · (${n.taps} × ${n.filters})`,
  sentences: [
    `im2col copies every window into a row of one large matrix; this window is row ${n.patch_row + 1} of ${n.patch_rows}.`,
    `Each filter, laid out as a column, is a column of the weight matrix; this filter is column ${n.column + 1} of ${n.filters}.`,
    `So one matrix product computes all pixels of all maps at once, and fast matrix products are what processors are good at.`,
  ],
  code: `\`im2col\` and \`conv2d\` in ${NUMPY}.`,
});

const FUNCTIONS = {
  relu: (n, kind) => ({
    title: kind === "ReLU" ? "ReLU" : "Bias and ReLU",
    formula: kind === "ReLU" ? "a = max(0, z)" : "z = s + b,  a = max(0, z)",
    sentences: [
      kind === "Conv2D" ? "The bias shifts the sum: it sets how much a window must look like the filter before the unit activates."
        : kind === "Dense" ? "The bias shifts the sum: it sets how large the sum must be before the unit activates."
          : "ReLU only tests whether a number is above zero.",
      n.x > 0 ? "z is above zero, so ReLU passes it unchanged." : "z is not above zero, so the output is 0: the pattern is not here.",
      "Without a nonlinearity between them, two layers in a row would be one linear function, which a single layer could compute.",
    ],
    code: "`ReLU` in `layers/activation.py`.",
  }),
  leaky_relu: (n) => ({
    title: "Leaky ReLU",
    formula: `a = max(z, ${n.numbers.slope} · z)`,
    sentences: [
      "A number above zero passes unchanged.",
      `A negative number is multiplied by ${n.numbers.slope}: small, but not zero.`,
      "So even an inactive unit passes a little gradient, and can still learn.",
    ],
    code: "`LeakyReLU` in `layers/activation.py`.",
  }),
  sigmoid: () => ({
    title: "Sigmoid",
    formula: "a = 1 / (1 + e^{−z})",
    sentences: [
      "Any number is squeezed into the range from 0 to 1.",
      "At z = 0 it gives one half, and it changes fastest there.",
      "Far from zero it is nearly flat, so that large z all look alike.",
    ],
    code: "`Sigmoid` in `layers/activation.py`.",
  }),
  tanh: () => ({
    title: "Tanh",
    formula: "a = tanh z",
    sentences: [
      "Any number is squeezed into the range from −1 to 1.",
      "Near zero it hardly changes anything.",
      "Far from zero it is nearly flat, so that large z all look alike.",
    ],
    code: "`Tanh` in `layers/activation.py`.",
  }),
  batch_norm: () => ({
    title: "Batch normalization",
    formula: "y = γ · (x − mean) / √(variance + ε) + β",
    sentences: [
      "The channel's mean is subtracted, and the rest is divided by the channel's standard deviation.",
      "Then γ and β, which are learned, set the scale and the mean that suit the next layer.",
      "Mean and variance are moving averages from training, so the result for an image does not depend on other images.",
    ],
    code: "`BatchNorm` in `layers/norm.py`.",
  }),
};

/** An activation or normalization in a layer of kind `kind`. */
export const functionOf = (n, kind) => FUNCTIONS[n.name](n, kind);

export const bias = ({ hasBias, isMap, goesToSoftmax }) => ({
  title: hasBias ? "Bias" : "No bias",
  formula: hasBias ? "z = s + b" : "z = s",
  sentences: [
    !hasBias ? "This layer has no bias, so the sum is z."
      : isMap ? "The bias shifts the sum by the same number everywhere in the map."
        : "The bias shifts the sum: it sets how easily this unit activates.",
    goesToSoftmax ? "The z of all channels at this pixel go into softmax together." : "This layer has no activation of its own, so z is its output.",
    goesToSoftmax ? "It turns them into shares that add up to 1." : "An activation, if there is one, is a separate layer.",
  ],
  code: "`Weighted` in `layers/weighted.py`.",
});

/** The number of pixels of a pooling window inside the map, without padding. */
export const insideOf = (p) => p.inside.flat().filter(Boolean).length;

const OUTCOMES = { won: "; the selected pixel is the maximum", tied: "; the selected pixel is as large, but not the first", lost: "; the selected pixel is not the maximum" };

/** The outcome for the selected pixel ("won", "tied" or "lost") in words; "" if none is selected. */
export const outcomeText = (outcome) => OUTCOMES[outcome] ?? "";

/** `outcome` as in outcomeText. */
export const maxPool = (p, outcome) => ({
  title: "Max-pooling: the largest of a window",
  formula: "p = max of the window",
  sentences: [
    `Of the ${insideOf(p)} numbers in the window only the largest is passed on${outcomeText(outcome)}.`,
    "The map becomes smaller, and the next layer sees that the pattern is there, but no longer exactly where.",
    "If several are equally large, the first one counts, row by row from the left.",
  ],
  code: `\`max_pool2d\` in ${NUMPY}.`,
});

export const meanPool = (p) => ({
  title: "Average-pooling: the mean of a window",
  formula: "p = Σ window / n",
  sentences: [
    `The ${insideOf(p)} numbers of the window are added up and divided by their number.`,
    "The map becomes smaller, and every pixel of the window has the same weight.",
    "Padding is not counted, so the mean at the edge is that of the pixels inside the map.",
  ],
  code: `\`avg_pool2d\` in ${NUMPY}.`,
});

export const notPooled = () => ({
  title: "Pooling skips this pixel",
  formula: "no window contains it",
  sentences: [
    "The windows of the next layer do not fit a whole number of times into the map.",
    "The remaining pixels at the lower and right edge belong to no window.",
    "So this pixel has no influence on the answer, and its gradient is 0.",
  ],
  code: "`pool_window` in `kernels/window.py`.",
});

export const mean = (m) => ({
  title: "The mean of a whole channel",
  formula: `y = Σ channel / ${m.count}`,
  sentences: [
    "All pixels of one map become one number: their mean.",
    "It is how strongly the pattern of the filter is present in the image, wherever it is.",
    "There are no weights to learn here.",
  ],
  code: "`GlobalAvgPool2D` in `layers/pool.py`.",
});

const MOVED = {
  Flatten: {
    title: "Flatten: the maps become one row of numbers",
    formula: "u = (r · W + c) · C + k",
    sentences: [
      "Nothing is computed: the same numbers are read row by row, at each pixel channel after channel.",
      "After this the network no longer has the information which of them were neighbours.",
      "A dense layer needs a vector, because it has a weight for each single number.",
    ],
    code: "`Flatten` in `layers/reshape.py`.",
  },
  Dropout: {
    title: "Dropout: no effect in inference",
    formula: "y = x  (while training: 0, or x / (1 − rate))",
    sentences: [
      "In training, this layer sets random numbers to 0 and scales up the others.",
      "So no unit can depend on a single other one.",
      "In inference, as here, every number passes unchanged.",
    ],
    code: "`Dropout` in `layers/dropout.py`.",
  },
  Reshape: {
    title: "Reshape: the same numbers in another shape",
    formula: "y = x",
    sentences: [
      "Nothing is computed: the numbers stay in the same order.",
      "Only the shape changes.",
      "The layer has no weights, and nothing to learn.",
    ],
    code: "`Reshape` in `layers/reshape.py`.",
  },
};

export const moved = (kind) => MOVED[kind] ?? MOVED.Reshape;

export const dense = (w) => ({
  title: "Dense: a weight for every input",
  formula: "z = Σ_{k} x_{k} · w_{k} + b",
  sentences: [
    `The unit takes all ${w.terms.length + w.rest_count} numbers of its input, each times a weight of its own, and adds them up.`,
    "Positive products increase the sum, negative ones decrease it; the largest are listed first.",
    "It is a convolution whose window is the whole input: one row times one column.",
  ],
  code: "`dense` in `kernels/numpy_kernels.py`.",
});

export const softmax = () => ({
  title: "Softmax and cross-entropy",
  formula: "p_{k} = exp z_{k} / Σ_{j} exp z_{j},  L = −log p_{target}",
  sentences: [
    "The scores z become probabilities: all positive, with sum 1; the largest z gets the largest.",
    "The largest z is subtracted first: the probabilities stay the same, and no exponential overflows.",
    "The loss L depends on the target's probability only: 0 if it is 1, and larger the smaller it is.",
  ],
  code: "`softmax` and `softmax_crossentropy` in `losses.py`.",
});
