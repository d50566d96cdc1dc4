"""Rules as text: when each fires, which keys it is about, and what a set of them can promise before a run."""
