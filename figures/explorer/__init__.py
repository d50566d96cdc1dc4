"""The explorer: one self-contained page that shows what a setting guarantees."""
