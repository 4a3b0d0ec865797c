"""New pictures and films from a trained model."""
