// The texts of each step backward: a formula and three sentences.

import { indices, insideOf } from "./forwardwords.js";

const NUMPY = "`kernels/numpy_kernels.py`";

/** What the other pixels of a pooling window get. */
function othersOf(p) {
  const count = insideOf(p) - 1;
  return ["there are no others", "the other one gets none"][count] ?? `the other ${count} get none`;
}

/** Whether the maximum occurs more than once in the window. */
const isTied = (p) => p.values.flat().filter((value, k) => p.inside.flat()[k] && value === p.y).length > 1;

export const softmax = () => ({
  title: "The start: softmax and cross-entropy",
  formula: "∂L/∂z_{k} = p_{k} − q_{k},  q = 1 for the target, else 0",
  sentences: [
    "Softmax and cross-entropy together have a simple gradient: the predicted probabilities minus the target.",
    "The target's score has a negative gradient: the loss falls if the score rises; all other scores have a positive one.",
    "If the prediction is right and confident, all of them are nearly 0, and there is little to learn from this image.",
  ],
  code: "`softmax_crossentropy` in `losses.py`.",
});

/** `outcome` of the chosen pixel as in forwardwords.js. */
export const fromMaxPool = (p, outcome) => ({
  title: "Back through max-pooling",
  formula: "∂L/∂a = ∂L/∂p for the maximum, else 0",
  sentences: [
    "Only the maximum of the window was passed on, so only that number had any influence on the loss.",
    outcome === "won" ? `This pixel is the maximum, so the whole gradient passes to it; ${othersOf(p)}.`
      : `This pixel is ${outcome === "tied" ? "as large, but not the first" : "not the maximum"}, so it gets 0; the whole gradient goes to the maximum.`,
    "The forward pass stored the position of the maximum (argmax), so the backward pass only looks it up.",
  ],
  code: `\`max_pool2d_backward\` in ${NUMPY}.`,
});

export const fromMeanPool = (p) => ({
  title: "Back through average-pooling",
  formula: "∂L/∂a = ∂L/∂p / n",
  sentences: [
    `Each of the ${insideOf(p)} pixels has the same weight in the mean.`,
    "So each gets an equal share of the gradient.",
    "Padding was not counted, and gets none.",
  ],
  code: `\`avg_pool2d_backward\` in ${NUMPY}.`,
});

export const toMaximum = (p) => ({
  title: "Back through max-pooling",
  formula: "∂L/∂x = ∂L/∂p for the maximum, 0 for the others",
  sentences: [
    "The gradient of the pooled number is passed back to its window.",
    isTied(p) ? `Several are equally large here, so the first one counts as the maximum: it gets the whole gradient, and ${othersOf(p)}.`
      : `The maximum gets the whole gradient, and ${othersOf(p)}: small changes of the others would have changed nothing.`,
    "So after pooling at most one pixel of each window learns from this image.",
  ],
  code: `\`max_pool2d_backward\` in ${NUMPY}.`,
});

export const fromDense = () => ({
  title: "Back from the dense layer",
  formula: "∂L/∂x_{k} = Σ_{u} w_{k,u} · ∂L/∂z_{u}",
  sentences: [
    "This number is an input of every unit of the next dense layer, so every unit contributes to its gradient.",
    "Each contribution is the unit's own gradient times the weight between them: backward uses the same weights as forward.",
    "Their sum is how much the loss changes if this number grows a little.",
  ],
  code: "`dense_backward` in `kernels/numpy_kernels.py`.",
});

export const fromConvolution = () => ({
  title: "Back from the next convolution",
  formula: "∂L/∂y = Σ over windows and filters of w · ∂L/∂z",
  sentences: [
    "This pixel is in several windows of the next convolution, and every filter was applied to each of them.",
    "Each such product contributes to the gradient: the weight of the pixel, times the gradient of the sum that it is part of.",
    "col2im adds up these contributions; select a pixel of the next layer to see a single one of them.",
  ],
  code: `\`col2im\` and \`conv2d_backward\` in ${NUMPY}.`,
});

export const fromOther = () => ({
  title: "The incoming gradient",
  formula: "∂L/∂y = ∂L/∂x of the next layer",
  sentences: [
    "The next layer has computed the gradient of the loss with respect to each number of its input.",
    "Its input is the output of this layer, so that is the incoming gradient here.",
    "Select the same number in the next layer to see how it is computed.",
  ],
  code: "`backward_logits` in `network.py`.",
});

const FUNCTIONS = {
  relu: (f) => ({
    title: "Back through ReLU",
    formula: "∂L/∂z = ∂L/∂a · [z > 0]",
    sentences: [
      "ReLU has the slope 1 where z is above zero, and 0 elsewhere.",
      f.slope ? "Here z was above zero, so the gradient passes unchanged." : "Here z was not above zero, so the gradient is 0: the output was 0, and a small change of z would not have changed that.",
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
    code: "`BatchNorm` in `layers/norm.py`, `Affine` in `explain/layer_copies.py`.",
  }),
};

/** A softmax within the network. */
export const throughSoftmax = () => ({
  title: "Back through softmax",
  formula: "∂L/∂z_{k} = p_{k} · (∂L/∂p_{k} − Σ_{j} p_{j} · ∂L/∂p_{j})",
  sentences: [
    "The outputs add up to 1, so what one of them gains the others lose.",
    "So each gradient is compared with the mean of all of them, weighted by the outputs: only the difference counts.",
    "It is then multiplied by the output itself: an output near 0 hardly changes.",
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
    "A weight is multiplied by one number of the window: that number is how much z changes with the weight, and ∂L/∂z how much the loss changes with z.",
    `This is the contribution of one pixel; the sum over all ${n.patch_rows} pixels of the map gives the last grid.`,
    "As a matrix product it is the transposed patch matrix times all ∂L/∂z at once; the bias, whose input is always 1, gets the plain sum.",
  ],
  code: "`conv2d_backward` in `kernels/numpy_kernels.py`.",
});

export const input = (win) => ({
  title: "To the input: ∂L/∂z times the filter",
  formula: `∂L/∂x_{${indices(win)}} += ∂L/∂z_{r,c} · w_{i,j,k}`,
  sentences: [
    "A pixel of the window is multiplied by one weight: that weight is how much z changes with the pixel.",
    "The filter times ∂L/∂z is added to the gradient at the position of the window.",
    "Neighbouring windows overlap and other filters use this window too; col2im adds up all of them, and the sum is the gradient of the input.",
  ],
  code: `\`col2im\` in ${NUMPY}.`,
});

export const dense = () => ({
  title: "To the weights and to the input",
  formula: "∂L/∂w_{k} = x_{k} · ∂L/∂z,  ∂L/∂x_{k} = Σ_{u} w_{k,u} · ∂L/∂z_{u}",
  sentences: [
    "Each product x · w passes the gradient to both of its factors.",
    "The weight gets x times ∂L/∂z: a weight whose input was 0 learns nothing from this image.",
    "The input gets w times ∂L/∂z from this unit, and a similar term from every other unit; the last column is the sum.",
  ],
  code: "`dense_backward` in `kernels/numpy_kernels.py`.",
});

const KEPT = {
  Flatten: {
    title: "Back through flatten",
    formula: "∂L/∂x_{r,c,k} = ∂L/∂y_{u},  u = (r · W + c) · C + k",
    sentences: [
      "Forward only moves numbers, so backward only moves gradients.",
      "Each gradient goes to the position its number came from.",
      "The row of gradients becomes maps again, of the same shape as those that came in.",
    ],
    code: "`Flatten.backward` in `layers/reshape.py`.",
  },
  Dropout: {
    title: "Back through dropout",
    formula: "∂L/∂x = ∂L/∂y",
    sentences: [
      "In inference, dropout passes every number on, so every gradient passes back.",
      "In training, dropped numbers get no gradient.",
      "The others get theirs with the same factor 1 / (1 − rate).",
    ],
    code: "`Dropout.backward` in `layers/dropout.py`.",
  },
  Reshape: {
    title: "Back through reshape",
    formula: "∂L/∂x = ∂L/∂y",
    sentences: [
      "Forward only moves numbers, so backward only moves gradients.",
      "Each gradient goes to the position its number came from.",
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
    `All ${m.count} pixels of the channel have the same weight.`,
    "So each of them gets an equal share of the gradient.",
    "No pixel of this channel can learn more from it than another.",
  ],
  code: "`GlobalAvgPool2D` in `layers/pool.py`.",
});
