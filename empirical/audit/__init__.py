"""One report of what bounds a model, what its weights guarantee and what was measured, and its repetition."""
