"""What samples are called in pictures, in matplotlib's mathtext."""

SIGNAL_TITLES = {
    "A4l": r"A(50) $\to$ 4$\ell$",
    "LQ": r"LQ(80) $\to$ b$\tau$",
    "h0tt": r"h$^0$(60) $\to$ $\tau\tau$",
    "hctn": r"h$^\pm$(60) $\to$ $\tau\nu$",
    "hctn_s": r"h$^\pm$(60) $\to$ $\tau\nu$, s-channel",
    "hctn_pair": r"h$^+$h$^-$(60) $\to$ $\tau\nu\tau\nu$",
    "ttbar": r"t$\bar{\mathrm{t}}$",
    "egamma": r"e/$\gamma$",
    "pion": r"$\pi^\pm$",
    "electron": "e",
    "photon": r"$\gamma$",
    "pi0": r"$\pi^0$",
    "muon": r"$\mu$",
    "others": "other classes",
}
