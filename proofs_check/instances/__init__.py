"""The instances that statements are about, as exact data: how to draw one, and the value of every letter on it."""
