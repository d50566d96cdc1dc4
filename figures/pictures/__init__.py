"""One file per figure, and what they share: each draws its rows and knows what in them contradicts the theory."""
