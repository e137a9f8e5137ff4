"""The client's own speed: against the bare gRPC stub and tritonclient, side by side in one run.

    python -m packshot_loadtest.client_bench --json reports/client_bench.json
    python -m packshot_loadtest.client_bench --soak 200000

It is measured against two servers. One is a real Triton with a model that answers at once with a
canned verdict: with it both cores are busy with nothing but calls, the hardest case for a client.
The other is Triton with ``quality`` as it ships, which is what users have. Each contender runs in a
process of its own, and rounds are interleaved; at one in flight all of them also take turns in one
process, call by call.
"""
