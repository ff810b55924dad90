"""How long a stopped run looks for the place where it goes on, in an epoch of so many records."""

from statistics import median
from time import perf_counter

from sharding import Order, Partition, StreamState

from .contenders.ours import SHARD_ROWS
from .contenders.turns import BATCH

ROUNDS = 25


def resume_ms(records: int) -> float:
    """From a state to the rows of the first batch, 70 % into the epoch; no data is touched. Median milliseconds."""
    shard_rows = (SHARD_ROWS,) * -(-records // SHARD_ROWS)
    state = StreamState(3, int(0.7 * records))
    return 1000 * median(_seconds(shard_rows, state) for _ in range(ROUNDS))


def _seconds(shard_rows: tuple[int, ...], state: StreamState) -> float:
    started = perf_counter()
    order = Order.of_shards(shard_rows, seed=0, epoch=state.epoch)
    partition = Partition(num_records=sum(shard_rows), global_batch=BATCH, world_size=1, rank=0, lanes=order.lanes)
    order.rows(partition.positions(partition.settle(state)))
    return perf_counter() - started
