"""What the studio costs and what its machine could do, as ratios taken in one run."""
