"""What happens inside a network for one image, number by number, forward and backward.

    run     the image through all layers, and the gradient of the loss back through them
    look    one number of one layer's output: what it is made of, and what comes back through it

`run` computes with the layers and kernels that train the model; `look` takes its one number apart
with sums that a reader can redo by hand. The model stays as it is. All gradients are those of the
cross-entropy of one image, without the penalties of regularizers.
"""

from .look import Number, look
from .passes import Pass, Trace, run

__all__ = ["Number", "Pass", "Trace", "look", "run"]
