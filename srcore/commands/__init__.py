"""The commands of `python -m srcore`, a file for each topic; each `add_to` describes its own to argparse."""
