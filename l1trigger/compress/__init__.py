"""Stage ``compress``: from the full-precision reference to the quantized function that goes into firmware."""
