"""Imports packages one by one, as a program of its own, and says of each on a line how that went."""

import importlib
import json
import sys


def main(names: list[str]) -> None:
    """Try in this order; packages print what they like in between."""
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001  # whatever a broken package raises is the answer
            _say(name, error=f"{type(error).__name__}: {error}".partition("\n")[0])
        else:
            _say(name, error="")
    if torch := sys.modules.get("torch"):
        gpus = range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
        built_for = f"CUDA {torch.version.cuda}" if torch.version.cuda else torch.version.hip or "the CPU"
        _say("torch", accelerators={"names": [torch.cuda.get_device_name(gpu) for gpu in gpus], "built_for": built_for})


def _say(name: str, **answer: object) -> None:
    print(json.dumps({"lmmtc": name} | answer), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
