"""`python -m worker.simulator`."""

import sys

from worker.simulator.options import read_options
from worker.simulator.serve import serve


def main() -> int:
    """Serves as the command line says; 2 where that makes no sense."""
    try:
        serve(read_options())
    except (ValueError, OSError) as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
