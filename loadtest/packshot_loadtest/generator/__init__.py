"""The load generator: Locust processes that play a schedule worked out beforehand."""
