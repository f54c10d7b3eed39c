"""`python -m ndpool.bench`: the same as `ndpool bench`."""

import argparse
import sys

from . import add_arguments, run

parser = argparse.ArgumentParser(prog="python -m ndpool.bench", description="compare with peers")
add_arguments(parser)
sys.exit(run(parser.parse_args()))
