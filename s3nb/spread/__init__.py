"""Many-operations over several processes or machines: chunks of keys go out, results come back in order.

Strategy: a chunk is an ordinary many-operation, run by an ordinary client where the worker is. What travels is the client's settings
(never credentials: the worker finds its own), the name of a method, and keys; what comes back is results and failures. A chunk
may be run twice, as all that is done with it can be: so one whose worker died is sent out again. Workers on this machine
count into a file that both map (the board), and read there that they are to stop; those of Dask elsewhere tell by its events, and
from others the counts come with the chunk. Bodies come back through a file of the client's folder if the worker sees it, else with
the results.
"""

from s3nb.spread.gather import Spread
from s3nb.spread.pools import Pools, executor_of

__all__ = ["Pools", "Spread", "executor_of"]
