"""Remote data sets: stores, retried requests, and the local cache of files with its prefetching and eviction."""

from .cache import Cache as Cache
from .counts import FetchCounts as FetchCounts
from .counts import FetchTotals as FetchTotals
from .download import download as download
from .mirror import Prefetcher as Prefetcher
from .mirror import RemoteBackend as RemoteBackend
from .mirror import mirrored as mirrored
from .pins import Pin as Pin
from .retry import RetryPolicy as RetryPolicy
from .store import Bucket as Bucket
from .store import Store as Store
from .store import open_bucket as open_bucket
from .store import open_store as open_store
from .upload import upload as upload
