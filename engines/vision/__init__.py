"""What several kinds share: feature networks, statistics, averaging."""
