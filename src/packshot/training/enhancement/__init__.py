"""Training the restoration and upscaling networks: photos, faults, samples, losses, loop."""
