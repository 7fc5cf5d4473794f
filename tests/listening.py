"""Processes that hear Ctrl-C."""

import signal


def hear_ctrl_c() -> None:
    """For ``preexec_fn``: tests that were started in the background ignore Ctrl-C, and so would what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
