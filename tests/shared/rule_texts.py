"""Rule files that several tests use."""

OWN = """
[[rule]]
name = "own"
when = 'class(word)'
target = 'own block'
fidelity = 0.8
"""
SEVERAL = f"""{OWN}
[[rule]]
name = "first"
when = 'class(capitalised) or class(punctuation)'
target = 'first token'
fidelity = 0.1
layers = [1]

[[rule]]
name = "push"
when = 'block_position == 1'
target = 'tokens(seen_before)'
strength = 1.0
heads = "0-1"
"""
# Two disjoint targets share a row, so both cannot have 0.7 of it.
CONFLICT = """
[[rule]]
name = "start"
when = 'position > 4'
target = 'first token'
fidelity = 0.7

[[rule]]
name = "others"
when = 'position > 4'
target = 'tokens(position > 0)'
fidelity = 0.7
"""
