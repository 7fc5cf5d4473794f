"""Pairs as cameras make them: scenes with depth, out of focus, through a sensor and the processing of a camera."""
