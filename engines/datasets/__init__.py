"""Sets of pictures: the file that holds one, its check, and art drawn for samples."""
