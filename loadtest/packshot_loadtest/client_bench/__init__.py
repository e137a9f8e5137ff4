"""The client's own speed: against the bare gRPC stub and tritonclient, side by side in one run.

    python -m packshot_loadtest.client_bench --json reports/client_bench.json
    python -m packshot_loadtest.client_bench --soak 200000

The server is a real Triton with a model that answers at once with a canned verdict, so that what
differs is the client. Each figure comes from a process of its own; rounds are interleaved.
"""
