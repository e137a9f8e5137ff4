# The training loop frees and takes hundreds of MB a step; keeping them halves its time on CPU.
KEEP_MEMORY := MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000 MALLOC_TOP_PAD_=268435456 \
	THP_MEM_ALLOC_ENABLE=1
train:
	$(KEEP_MEMORY) .venv/bin/packshot-train quality --data ../shared/data --run runs/quality
