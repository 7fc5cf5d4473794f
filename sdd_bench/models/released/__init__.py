"""Files of weights as their authors released them, read as data: nothing in them is run.

Each reader takes a path and gives tensors under our names, or raises :class:`~sdd_bench.core.errors.WeightsError`.
"""
