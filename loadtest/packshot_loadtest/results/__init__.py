"""What a run gave: samples, histograms, objectives, comparisons, reports."""
