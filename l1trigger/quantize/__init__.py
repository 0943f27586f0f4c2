"""The QKeras toolkit: float layers to quantized ones, their training, pruning and binary points, and what to lint."""
