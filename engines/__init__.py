"""What can be made. Knows no SQL, no queue, no HTTP; nothing of ours lies below it."""
