"""Why a network answers as it does: activations, saliency and occlusion maps.

`trace/` takes one number of a network apart, for the page's tab Inside.
"""

from .attribution import activations, occlusion, saliency

__all__ = ["activations", "occlusion", "saliency"]
