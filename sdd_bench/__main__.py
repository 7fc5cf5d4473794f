"""``python -m sdd_bench`` is ``sdd-bench``."""

from sdd_bench.cli.main import main

main()
