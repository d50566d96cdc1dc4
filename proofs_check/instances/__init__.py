"""The instances that statements speak about, as exact data: how to draw one, and what every letter means on it."""
