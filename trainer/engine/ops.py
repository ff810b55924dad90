"""Builds DeepSpeed's one native op at the first use, once, and removes the locks of interrupted builds.

torch marks a build with a file `lock`. A process that is killed while it builds leaves that file behind, and every
later start would wait for it for ever.
"""

from pathlib import Path

import deepspeed
from deepspeed.accelerator import get_accelerator
from filelock import FileLock
from torch.utils.cpp_extension import _get_build_directory

OP = "deepspeed_shm_comm"


def prepare_ops() -> None:
    """Build the op, or find it built; one process of this user at a time. Nothing to do where DeepSpeed needs none."""
    accelerator = get_accelerator()
    assert accelerator is not None
    builder = accelerator.create_op_builder("ShareMemCommBuilder")
    if builder is None or not deepspeed.ops.__compatible_ops__.get(builder.NAME, False):
        return
    folder = Path(_get_build_directory(OP, verbose=False))
    with FileLock(folder.parent / f"{OP}.lmmtc.lock"):
        remove_stale_lock(folder)
        builder.load(verbose=False)


def remove_stale_lock(folder: Path) -> bool:
    """Remove a lock that a killed build left; only for a process that holds the lock around builds itself.

    Whoever made it is gone, unless a program other than lmmtc builds in the same TORCH_EXTENSIONS_DIR.
    """
    lock = folder / "lock"
    stale = lock.exists()
    lock.unlink(missing_ok=True)
    return stale
