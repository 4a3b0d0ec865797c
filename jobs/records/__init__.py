"""What is written down as it happens: logs, figures, pictures, causes, who changed what."""
