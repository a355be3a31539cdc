"""python -m minicnn: lists the commands."""

import argparse
import sys

COMMANDS = {
    "minicnn.train": "train a network, and write a run folder",
    "minicnn.evaluate": "measure a saved model on a sheet of labelled images",
    "minicnn.predict": "predict the class of pictures",
    "minicnn.report": "write an HTML page about a run, or a comparison of runs",
    "minicnn.visor": "serve a page: live training, drawing, a look inside the network",
    "minicnn.sprite": "make, convert and show sprite sheets of images",
    "minicnn.gradcheck": "check backpropagation against numerical gradients",
    "minicnn.doctor": "show what limits the speed on this machine",
}


def main(argv: list[str] | None = None) -> int:
    """Print the commands; unknown arguments end with exit code 2."""
    width = max(map(len, COMMANDS))
    lines = [f"  python -m {name:{width}}  {what}" for name, what in COMMANDS.items()]
    parser = argparse.ArgumentParser(
        prog="python -m minicnn",
        usage="python -m minicnn.COMMAND [--help]",
        description="\n".join(["commands:", *lines]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    parser.add_argument("-h", "--help", action="store_true", help=argparse.SUPPRESS)
    parser.parse_args(argv)
    print(parser.format_help(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
