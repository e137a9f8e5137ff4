"""Training the quality network: photos, samples, batches, losses, loop."""
