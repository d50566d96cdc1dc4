"""The report: one self-contained page of what a folder holds, verdicts first."""
