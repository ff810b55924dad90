"""Our stream over tars that the webdataset library reads too."""

from functools import partial

from .ours import prepare, read
from .turns import run

if __name__ == "__main__":
    run(partial(prepare, kind="webdataset"), read)
