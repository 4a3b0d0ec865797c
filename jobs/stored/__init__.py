"""What people bring and keep: files, datasets, models; their check, deletion and backup."""
