"""Training of generative networks on a set of pictures."""
