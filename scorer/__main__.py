"""`python -m scorer` is `scorer`."""

import sys


def main() -> None:
    """Run the command line. Loading it takes a while, in which it may be stopped, too."""
    try:
        from scorer.cli.main import main as command
    except KeyboardInterrupt:
        print("Stopped before anything began.", file=sys.stderr)
        sys.exit(130)
    command()


if __name__ == "__main__":
    main()
