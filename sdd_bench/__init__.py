"""sdd-bench: dataset toolkit and benchmark suite for misaligned defocus data.

Follows Li, Ren, Shu, Zuo, "Learning Single Image Defocus Deblurring with Misaligned Training Pairs" (AAAI 2023).
"""

__version__ = "0.1.0"
