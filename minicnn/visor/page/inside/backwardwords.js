// What a learner reads beside each step backward. Every step: a formula and three sentences.

import { indices, insideOf } from "./forwardwords.js";

const NUMPY = "`kernels/numpy_kernels.py`";

/** What the pixels of a pool's window get that did not win. */
function othersOf(p) {
  const count = insideOf(p) - 1;
  return ["there are no others", "the other one gets none"][count] ?? `the other ${count} get none`;
}

/** Whether the largest number of a window is there more than once. */
const isTied = (p) => p.values.flat().filter((value, k) => p.inside.flat()[k] && value === p.y).length > 1;

export const softmax = () => ({
  title: "The beginning: softmax and cross-entropy",
  formula: "∂L/∂z_{k} = p_{k} − q_{k},  q = 1 for the target, else 0",
  sentences: [
    "Softmax and cross-entropy together have a gradient as simple as this: what the network said, minus what it should have said.",
    "The target's score gets a negative gradient: the loss falls if it rises; all other scores get a positive one.",
    "Where the network is right and sure, all of them are nearly 0, and there is little to learn from this image.",
  ],
  code: "`softmax_crossentropy` in `kernels/elementwise.py`.",
});

/** `outcome` of the chosen pixel, as maxPool of forwardwords.js has it. */
export const fromMaxPool = (p, outcome) => ({
  title: "Back through max-pooling",
  formula: "∂L/∂a = ∂L/∂p where a won, else 0",
  sentences: [
    "Only the largest number of the window went on, so only that one had any influence on the loss.",
    outcome === "won" ? `This pixel won, so the whole gradient passes to it; ${othersOf(p)}.`
      : `This pixel ${outcome === "tied" ? "is as large, but not the first" : "lost"}, so it gets 0; the whole gradient goes to the pixel that won.`,
    "In the forward pass the layer wrote down who won, and here it only has to look that up.",
  ],
  code: `\`max_pool2d_backward\` in ${NUMPY}.`,
});

export const fromMeanPool = (p) => ({
  title: "Back through average-pooling",
  formula: "∂L/∂a = ∂L/∂p / n",
  sentences: [
    `Each of the ${insideOf(p)} pixels counted alike in the mean.`,
    "So each gets an equal share of the gradient.",
    "Padding was not counted, and gets none.",
  ],
  code: `\`avg_pool2d_backward\` in ${NUMPY}.`,
});

export const toWinner = (p) => ({
  title: "Back through max-pooling",
  formula: "∂L/∂x = ∂L/∂p for the winner, 0 for the others",
  sentences: [
    "The gradient arrives at the pooled number, and has to be handed to the window it came from.",
    isTied(p) ? `Several are equally large here, so the first of them counts as the winner: it gets all of it, and ${othersOf(p)}.`
      : `The pixel that won gets all of it, and ${othersOf(p)}: a little more or less of those would have changed nothing.`,
    "So after pooling at most one pixel of each window learns from this image.",
  ],
  code: `\`max_pool2d_backward\` in ${NUMPY}.`,
});

export const arrival = () => ({
  title: "Back from the dense layer",
  formula: "∂L/∂x_{k} = Σ_{u} w_{k,u} · ∂L/∂z_{u}",
  sentences: [
    "This number went into every unit of the next dense layer, so from every unit a part of the gradient comes back.",
    "Each part is the unit's own gradient times the weight that led there: the way back has the same weights as the way there.",
    "Added up they say how the loss would move if this number were a little larger.",
  ],
  code: "`dense_backward` in `kernels/gemm.py`.",
});

export const arrivalByConvolution = () => ({
  title: "Back from the next convolution",
  formula: "∂L/∂y = Σ over windows and filters of w · ∂L/∂z",
  sentences: [
    "This pixel lay in several windows of the next convolution, and every filter there looked at each of them.",
    "From each such product a part of the gradient comes back: the weight it met, times the gradient of the sum it went into.",
    "col2im adds these parts up; choose a pixel of the next layer to see a single one of them.",
  ],
  code: `\`col2im\` in ${NUMPY}, \`conv2d_backward\` in \`kernels/gemm.py\`.`,
});

export const arrivalByOther = () => ({
  title: "The gradient that arrives",
  formula: "∂L/∂y = ∂L/∂x of the next layer",
  sentences: [
    "The layer behind this one has worked out how the loss moves with each number of its input.",
    "Those are the numbers that this layer put out, so that is the gradient that arrives here.",
    "Choose the same number one layer further on to see how it came about.",
  ],
  code: "`backward_body` in `network.py`.",
});

const FUNCTIONS = {
  relu: (f) => ({
    title: "Back through ReLU",
    formula: "∂L/∂z = ∂L/∂a · [z > 0]",
    sentences: [
      "ReLU has the slope 1 where z is above zero, and 0 elsewhere.",
      f.slope ? "Here z was above zero, so the gradient passes unchanged." : "Here z was not above zero, so nothing comes through: the unit was silent, and a little more or less of z would not have changed that.",
      "The mask of ones and zeros needs nothing but the layer's output.",
    ],
    code: "`ReLU.df` in `layers/activation.py`.",
  }),
  batch_norm: () => ({
    title: "Back through batch normalization",
    formula: "∂L/∂x = ∂L/∂y · γ / √(variance + ε)",
    sentences: [
      "With fixed averages the layer is a straight line, and its slope is the factor in front of x.",
      "The gradient is multiplied by that slope.",
      "While the network trains, mean and variance come from the batch itself and have gradients too; that is left out here.",
    ],
    code: "`BatchNorm` in `layers/norm.py`, `Affine` in `twins.py`.",
  }),
};

/** A softmax within the network, by whose shares the next layer goes on. */
export const throughSoftmax = () => ({
  title: "Back through softmax",
  formula: "∂L/∂z_{k} = p_{k} · (∂L/∂p_{k} − Σ_{j} p_{j} · ∂L/∂p_{j})",
  sentences: [
    "The shares add up to 1, so what one of them gains the others lose.",
    "So each gradient is compared with the mean of all of them, weighted by the shares: only what differs from it counts.",
    "It is then made smaller by the share itself: a share near 0 hardly moves.",
  ],
  code: "`Softmax.df` in `layers/activation.py`.",
});

const smooth = () => ({
  title: "Back through the activation",
  formula: "∂L/∂z = ∂L/∂a · f ′(z)",
  sentences: [
    "The gradient is multiplied by the slope of the function at this z.",
    "Where the function is steep, a small step of z matters, and much of the gradient passes.",
    "Where it is flat, hardly any does, and the weights before it learn slowly.",
  ],
  code: "`df` in `layers/activation.py`.",
});

export const functionOf = (f) => (FUNCTIONS[f.name] ?? smooth)(f);

export const filter = (n, win) => ({
  title: "To the filter: ∂L/∂z times the window",
  formula: `∂L/∂w_{i,j,k} = Σ_{r,c} x_{${indices(win)}} · ∂L/∂z_{r,c}`,
  sentences: [
    "A weight met one number of the window, so that number says how far z moves with it, and ∂L/∂z how far the loss moves with z.",
    `This is what one pixel tells the filter; the same is done at all ${n.patch_rows} pixels of the map and added up, which gives the last grid.`,
    "As a matrix product it is the patch matrix turned on its side times all ∂L/∂z at once; the bias, which met a 1 each time, gets the plain sum.",
  ],
  code: "`conv2d_backward` in `kernels/gemm.py`.",
});

export const input = (win) => ({
  title: "To the input: ∂L/∂z times the filter",
  formula: `∂L/∂x_{${indices(win)}} += ∂L/∂z_{r,c} · w_{i,j,k}`,
  sentences: [
    "A pixel of the window met one weight, so that weight says how far z moves with it.",
    "The filter, made larger or smaller by ∂L/∂z, is added onto the place from which the window was read.",
    "Neighbouring windows overlap and other filters looked here too; col2im adds up all of them, and the sum is the gradient of the layer before.",
  ],
  code: `\`col2im\` in ${NUMPY}.`,
});

export const dense = () => ({
  title: "To the weights and to the input",
  formula: "∂L/∂w_{k} = x_{k} · ∂L/∂z,  ∂L/∂x_{k} = Σ_{u} w_{k,u} · ∂L/∂z_{u}",
  sentences: [
    "Each product x · w hands the gradient on to both of its factors.",
    "The weight gets x times ∂L/∂z: a weight whose input was 0 learns nothing from this image.",
    "The input gets w times ∂L/∂z from this unit, and as much from every other; the last column has the whole.",
  ],
  code: "`dense_backward` in `kernels/gemm.py`.",
});

const KEPT = {
  Flatten: {
    title: "Back through flatten",
    formula: "∂L/∂x_{r,c,k} = ∂L/∂y_{u},  u = (r · W + c) · C + k",
    sentences: [
      "Nothing was computed on the way there, so nothing is computed on the way back.",
      "Each gradient goes to the place its number came from.",
      "The row of gradients becomes maps again, of the same shape as those that came in.",
    ],
    code: "`Flatten.backward` in `layers/reshape.py`.",
  },
  Dropout: {
    title: "Back through dropout",
    formula: "∂L/∂x = ∂L/∂y",
    sentences: [
      "When the network is asked, dropout passes every number on, so every gradient passes back.",
      "While it trains, numbers that were dropped get no gradient.",
      "Those that were kept get theirs with the same factor 1 / (1 − rate).",
    ],
    code: "`Dropout.backward` in `layers/dropout.py`.",
  },
  Reshape: {
    title: "Back through reshape",
    formula: "∂L/∂x = ∂L/∂y",
    sentences: [
      "Nothing was computed on the way there, so nothing is computed on the way back.",
      "Each gradient goes to the place its number came from.",
      "The order stays, only the shape changes.",
    ],
    code: "`Reshape.backward` in `layers/reshape.py`.",
  },
};

export const moved = (kind) => KEPT[kind] ?? KEPT.Reshape;

export const mean = (m) => ({
  title: "Back through the mean",
  formula: `∂L/∂x = ∂L/∂y / ${m.count}`,
  sentences: [
    `All ${m.count} pixels of the channel counted alike.`,
    "So each of them gets an equal share of the gradient.",
    "No pixel of this channel can learn more from it than another.",
  ],
  code: "`GlobalAvgPool2D` in `layers/pool.py`.",
});
