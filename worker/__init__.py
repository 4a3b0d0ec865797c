"""What runs jobs: one Celery process per slot, one child process per attempt."""
