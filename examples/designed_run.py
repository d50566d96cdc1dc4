"""Which margin keeps a whole run's promise at every query, not only at the last one?"""

import localist

run = localist.parse_run(
    {
        "model": {"layers": 12, "context": 1024},
        "locality": {"block": 64, "margin": "solve", "schedule": "quintic", "dial": 0.99},
        "targets": {"fidelity": 0.9, "localised_layers": 1},
    }
)
design = localist.design_run(run)
for setting in design.solved:
    print(f"{setting.name} = {setting.value}")

check = localist.check_run(design.run)
print("guaranteed:", check.guaranteed)
row = check.binding.fidelity
print(f"the binding query sees {row.keys} keys, {row.own} of them of its own block")
