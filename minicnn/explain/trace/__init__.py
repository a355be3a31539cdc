"""What happens inside a network for one image, number by number, forward and backward.

    run     the image through all layers, and the gradient of the loss back through them
    look    one number of one layer's output: how it is computed, and its gradient

`run` uses the layers and kernels that train the model; `look` recomputes its one number with sums
that a reader can check by hand. The model does not change. All gradients are those of the
cross-entropy of one image, without the penalties of regularizers.
"""

from .look import Number, look
from .passes import Pass, Trace, run

__all__ = ["Number", "Pass", "Trace", "look", "run"]
