"""Health, metrics and a dashboard of one process: looked at over HTTP, read-only.

vitals     what is known at one moment; `sources` gathers it, `stored` asks Redis for its part
readiness  is the process fit for work?
metrics    the same for Prometheus; `labels` bounds whose series there are
board      the same for people; `rate` how fast, `page` as HTML, static/ what a browser needs besides
pages      what each path answers; `door` who may ask
talk       requests and answers on one connection
service    listens; a child of the supervision tree

`service` and what stands behind it need the extra `ops`; nobody imports them unless a port is given.
"""

from mas.ops.sources import Sources

__all__ = ["Sources"]
