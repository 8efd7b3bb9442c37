"""``python -m latent_transfer`` does what the command ``latent-transfer`` does.

Nothing is imported before the first ``try``: torch alone takes seconds, in which Ctrl-C must not
end in a traceback.
"""

import sys


def main() -> None:
    """Run the command line, and answer Ctrl-C with one word, whenever it comes."""
    try:
        from latent_transfer.cli import main as run

        run()
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
