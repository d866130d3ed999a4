"""ksem: kernel semantics, confirmed on real kernels."""

__version__ = "0.1.0"
