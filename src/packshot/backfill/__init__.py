"""Scoring whole catalogues offline: a table of image paths in, a table of scores out.

    catalogue   the input table, cut into shards, and the folder of finished shards
    scorer      the stages of the served models, in this process
    job         the shards that are left, spread over a Ray cluster or one machine
    cli         the command packshot-backfill

The same core functions as the server's, without the server: a back-fill wants throughput, and must
not stand in the queue of those who wait for an answer.
"""
