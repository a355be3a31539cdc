"""Why a network gives its answer: activations, saliency and occlusion maps.

`trace/` takes single numbers of a network apart, for the tab Inside of the visor.
"""

from .attribution import activations, occlusion, saliency

__all__ = ["activations", "occlusion", "saliency"]
