"""Style transfer by optimisation: a photo takes on the hand of one to four paintings."""
