// What a learner reads beside each step forward. Every step: a formula and three sentences.

const NUMPY = "`kernels/numpy_kernels.py`";

const step = (name, tap, stride, dilation, padding) =>
  `${stride > 1 ? stride : ""}${name}+${dilation > 1 ? dilation : ""}${tap}${padding ? `−${padding}` : ""}`;

/** The indices of the pixel that tap (i, j) of the window at (r, c) reads: "r+i, c+j, k". */
export const indices = (win) =>
  `${step("r", "i", win.SH, win.DH, win.top)}, ${step("c", "j", win.SW, win.DW, win.left)}, k`;

export const convolution = (n, win) => ({
  title: "Convolution: a window times a filter",
  formula: `s = Σ_{i,j,k} x_{${indices(win)}} · w_{i,j,k}`,
  sentences: [
    `The filter lies over one window of the layer's input, and each number under it is multiplied by the weight above it.`,
    `All ${n.taps} products are added up: a large sum says that the window looks like the filter, a negative one that it looks like its opposite.`,
    `The same filter slides over the whole image, so what it finds in one place it finds in every other.`,
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
  code: `\`im2col\` in ${NUMPY}, the product in \`kernels/gemm.py\`.`,
});

const FUNCTIONS = {
  relu: (n, kind) => ({
    title: kind === "ReLU" ? "ReLU" : "Bias and ReLU",
    formula: kind === "ReLU" ? "a = max(0, z)" : "z = s + b,  a = max(0, z)",
    sentences: [
      kind === "Conv2D" ? "The bias moves the sum: it says how much a window has to look like the filter before the unit speaks."
        : kind === "Dense" ? "The bias moves the sum: it says how much has to speak for the unit before it answers."
          : "ReLU asks one thing of a number: whether it is above zero.",
      n.x > 0 ? "z is above zero, so ReLU lets it pass as it is." : "z is not above zero, so ReLU puts 0 in its place: here nothing was found.",
      "Without such a bend between them, two layers in a row would only be another sum with weights, which one layer could do as well.",
    ],
    code: "`ReLU` in `layers/activation.py`.",
  }),
  leaky_relu: (n) => ({
    title: "Leaky ReLU",
    formula: `a = max(z, ${n.numbers.slope} · z)`,
    sentences: [
      "A number above zero passes as it is.",
      `One below zero is made small, by the factor ${n.numbers.slope}, but not zero.`,
      "So even a unit that found nothing lets a little gradient through, and can still learn.",
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
      "From the number its channel's mean is taken, and the rest is divided by the channel's spread.",
      "Then γ and β, which are learned, give the channel the spread and the mean that serve the next layer best.",
      "Mean and variance are averages that were kept while the network trained, so an image's answer does not hang on the others beside it.",
    ],
    code: "`BatchNorm` in `layers/norm.py`.",
  }),
};

/** An activation or normalization in a layer of this kind. */
export const functionOf = (n, kind) => FUNCTIONS[n.name](n, kind);

export const bias = ({ hasBias, isMap, goesToSoftmax }) => ({
  title: hasBias ? "Bias" : "No bias",
  formula: hasBias ? "z = s + b" : "z = s",
  sentences: [
    !hasBias ? "This layer has no bias, so the sum is z."
      : isMap ? "The bias moves the sum by the same number everywhere in the map."
        : "The bias moves the sum: it says how readily this unit answers, whatever comes in.",
    goesToSoftmax ? "The z of all channels at this pixel go into softmax together." : "This layer has no activation of its own, so z is its output.",
    goesToSoftmax ? "It makes shares of them that add up to 1." : "What bends the numbers, if anything does, is a layer of its own.",
  ],
  code: "`Weighted` in `layers/weighted.py`.",
});

/** How many pixels a pool's window has within the map: padding is none. */
export const insideOf = (p) => p.inside.flat().filter(Boolean).length;

const OUTCOMES = { won: "; the chosen pixel won", tied: "; the chosen pixel is as large, but not the first", lost: "; the chosen pixel lost" };

/** What became of the chosen pixel: "won", "tied" or "lost"; "" where none is chosen. */
export const said = (outcome) => OUTCOMES[outcome] ?? "";

/** `outcome` as in `said`. */
export const maxPool = (p, outcome) => ({
  title: "Max-pooling: the largest of a window",
  formula: "p = max of the window",
  sentences: [
    `Of the ${insideOf(p)} numbers in the window only the largest goes on${said(outcome)}.`,
    "The map becomes smaller, and the next layer sees that the filter found something, but no longer exactly where.",
    "If several are equally large, the first of them wins, row by row from the left.",
  ],
  code: `\`max_pool2d\` in ${NUMPY}.`,
});

export const meanPool = (p) => ({
  title: "Average-pooling: the mean of a window",
  formula: "p = Σ window / n",
  sentences: [
    `The ${insideOf(p)} numbers of the window are added up and divided by their number.`,
    "The map becomes smaller, and every pixel of the window counts alike.",
    "Padding is not counted, so the mean at the edge is that of the pixels there are.",
  ],
  code: `\`avg_pool2d\` in ${NUMPY}.`,
});

export const notPooled = () => ({
  title: "Pooling leaves this pixel out",
  formula: "no window reaches it",
  sentences: [
    "The windows of the next layer do not fit a whole number of times into the map.",
    "What is left over at the lower and the right edge belongs to no window.",
    "So this pixel has no influence on the answer, and no gradient comes back to it.",
  ],
  code: "`pool_window` in `kernels/window.py`.",
});

export const mean = (m) => ({
  title: "The mean of a whole channel",
  formula: `y = Σ channel / ${m.count}`,
  sentences: [
    "All pixels of one map become one number: their mean.",
    "It says how much of what the filter looks for is in the image, wherever it is.",
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
      "From here on the network no longer knows which of them lay beside each other.",
      "A dense layer needs them so, because it has a weight for each single number.",
    ],
    code: "`Flatten` in `layers/reshape.py`.",
  },
  Dropout: {
    title: "Dropout: nothing happens here",
    formula: "y = x  (while training: 0, or x / (1 − rate))",
    sentences: [
      "While the network trains, this layer puts 0 in the place of numbers drawn at random, and makes the others larger.",
      "So no unit can rely on a single other one.",
      "When the network is asked, as now, every number passes as it is.",
    ],
    code: "`Dropout` in `layers/dropout.py`.",
  },
  Reshape: {
    title: "Reshape: the same numbers in another shape",
    formula: "y = x",
    sentences: [
      "Nothing is computed: the numbers stay in the same order.",
      "Only how they are counted changes.",
      "The layer has no weights, and nothing to learn.",
    ],
    code: "`Reshape` in `layers/reshape.py`.",
  },
};

export const moved = (kind) => MOVED[kind] ?? MOVED.Reshape;

export const dense = (w) => ({
  title: "Dense: every input has its weight",
  formula: "z = Σ_{k} x_{k} · w_{k} + b",
  sentences: [
    `The unit takes all ${w.terms.length + w.rest_count} numbers of its input, each times a weight of its own, and adds them up.`,
    "Positive products speak for what the unit stands for, negative ones against it; those that weigh most are listed first.",
    "It is a convolution whose window is everything at once: one row times one column.",
  ],
  code: "`dense` in `kernels/gemm.py`.",
});

export const softmax = () => ({
  title: "Softmax and cross-entropy",
  formula: "p_{k} = exp z_{k} / Σ_{j} exp z_{j},  L = −log p_{target}",
  sentences: [
    "The scores z become probabilities: all positive, together 1, and the largest z far ahead of the rest.",
    "The largest z is taken from all of them first, which changes no probability and lets no exponential overflow.",
    "The loss L looks at the target's probability alone: 0 where that is 1, and the larger the smaller it is.",
  ],
  code: "`softmax` and `softmax_crossentropy` in `kernels/elementwise.py`.",
});
