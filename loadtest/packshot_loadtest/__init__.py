"""Benchmarks and load tests of a running deployment.

``packshot-bench`` needs the extra ``bench``, ``packshot-loadtest`` the extra ``loadtest``.
Importing this package patches nothing: only the generator's own processes run under gevent.
"""
