"""What makes objects on the API server as they should be.

A service gives a `Planner` to a `Controller` (controller.py) and starts a `Leader` (leader.py).

    election.py, lease.py       one replica of several leads: client-go's protocol over a Lease
    leader.py                   a controller's life in a process: competes, works, steps down
    controller.py               keys that are to be looked at become writes; retries
    queue.py, queue_metrics.py  the keys that wait, each once
    writes.py                   creations, merge patches and deletions with preconditions
    expectations.py             our own writes that the cache has not shown yet
    replica.py                  who we are among the replicas
    rate.py                     a token bucket
"""
