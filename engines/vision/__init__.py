"""Feature networks, their statistics, pyramids and averages: what several kinds share."""
