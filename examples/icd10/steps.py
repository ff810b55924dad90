"""Prints for how many optimizer steps the demo trains here: an epoch where the machine multiplies bf16, else a quarter.

The reason goes to stderr, so that a shell takes the number alone.
"""

import sys

import torch

from trainer.precision import multiplies_bf16

EPOCH = 1231  # steps of 64 that read all 78,759 training records
QUARTER = 312


def main() -> None:
    """Ask the device that training will take."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = "GPU" if device.type == "cuda" else "CPU"
    if multiplies_bf16(device):
        steps, reason = EPOCH, f"this {name} multiplies bf16: a whole epoch"
    else:
        steps, reason = QUARTER, f"this {name} does not multiply bf16: a quarter of an epoch, to end in time"
    print(f"{steps:,} steps: {reason}", file=sys.stderr)
    print(steps)


if __name__ == "__main__":
    main()
