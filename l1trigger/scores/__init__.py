"""What the firmware computes as its anomaly score: one file per score, kernels and their exact types in ``kernels``."""
