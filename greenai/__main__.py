"""Run the `greenai` command: `python -m greenai`."""

from __future__ import annotations


def main() -> None:
    """Start the command line."""
    from greenai.cli import app

    app()


if __name__ == "__main__":
    main()
