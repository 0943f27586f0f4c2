"""The same design at many points: bit widths today."""
