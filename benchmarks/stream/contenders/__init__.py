"""One script for each reader: `python -m benchmarks.stream.contenders.NAME prepare CORPUS FOLDER`, or `read FOLDER`.

Each runs in a Python of its own, which may have nothing of lmmtc's dependencies but torch and numpy.
"""
