"""Keeping a server answering: real probes, repairs, a health endpoint, metrics.

Triton does not restart a Python-backend process that died or hangs, and goes on calling its model
ready. The supervisor proves every model by a real inference, takes the replica out of the load
balancer while something is broken, and mends it.

    options      what can be chosen
    goldens      small inputs of every model, and what their answers must be
    prober       one model asked again and again: ok, busy or failing
    census       stub processes that died or were stopped, noticed before anyone calls them
    board        what is known of the health of server and models, for all threads
    budget       how often something may be restarted, and how long to wait before
    metrics      all of it, counted for Prometheus
    endpoint     the board and the metrics over HTTP
    mending      unload and load of one model
    supervisor   the loop that ties them together
"""

from packshot.serving.supervision.options import SupervisorOptions
from packshot.serving.supervision.supervisor import Supervisor

__all__ = ["Supervisor", "SupervisorOptions"]
