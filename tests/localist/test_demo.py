"""The demo: the order of its steps, its failures, and what a second run keeps. `make demo` runs the real one."""

import json

import pytest
import typer
from recorded import recorded, recorded_rows

from localist import demo as module
from localist.demo import Plan, demo
from theory.errors import DomainError, InputError

ORDER = ["check", "verify", "train", "measure", "train", "measure", "measure", "figures"]


@pytest.fixture
def chain(tmp_path, monkeypatch):
    """The demo with stand-ins for its commands; `chain.status` sets their exit statuses."""

    class Chain:
        out = tmp_path / "demo"
        calls: list[tuple[str, dict]] = []  # noqa: RUF012
        status: dict[str, int] = {}  # noqa: RUF012
        interrupt: str | None = None
        rows = recorded_rows()
        moved = recorded_rows(dials=(0.0, 1.0))

        def names(self):
            return [name for name, _ in self.calls]

    state = Chain()
    state.calls, state.status = [], {}

    def stand_in(name):
        def command(*arguments, **options):
            state.calls.append((name, options))
            if state.interrupt == name:
                raise KeyboardInterrupt
            if name == "train":
                arguments[0].mkdir(parents=True, exist_ok=True)
                (arguments[0] / "run.json").write_text("{}")
            if name == "measure":
                kind = "dial" if "dial" in options else "rows"
                rows = state.moved if kind == "dial" else state.rows
                recorded(arguments[0] / ("dial" if "dial" in options else "measured"), rows, kind)
            if state.status.get(name):
                raise typer.Exit(state.status[name])

        command.__name__ = name
        return command

    def plan(out, seconds):
        found = Plan(seconds, 40)
        out.mkdir(parents=True)
        (out / "demo.json").write_text(json.dumps({"seconds": seconds, "steps": 40}))
        return found

    for place in (
        "theory.design.commands.check",
        "proofs_check.commands.verify",
        "empirical.training.command.train",
        "empirical.measuring.measure_command.measure",
        "figures.commands.figures",
    ):
        monkeypatch.setattr(place, stand_in(place.rpartition(".")[2]))
    monkeypatch.setattr(module, "_new_plan", plan)
    return state


def test_runs_steps_in_order_and_prints_summary(chain, capsys):
    demo(chain.out)
    assert chain.names() == ORDER
    trained = [options for name, options in chain.calls if name == "train"]
    assert [options["schedule"] for options in trained] == ["distributed", "quintic"]
    assert {options["steps"] for options in trained} == {40}
    shown = capsys.readouterr().out
    assert "$ localist verify --rows 25" in shown
    assert "all checks passed" in shown
    assert "360,000" in shown
    summary = json.loads((chain.out / "summary.json").read_text())["configurations"]
    assert [each["configuration"] for each in summary] == ["distributed", "quintic"]
    assert [each["violations"] for each in summary] == [0, 0]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("check", "not guaranteed"),
        ("verify", "neither proved nor sampled clean"),
        ("measure", "rows violate a bound"),
        ("figures", "contradict a bound"),
    ],
)
def test_failed_step_gives_status_1_after_the_remaining_steps(chain, capsys, name, message):
    chain.status = {name: 1}
    with pytest.raises(typer.Exit) as ended:
        demo(chain.out)
    assert ended.value.exit_code == 1
    assert chain.names() == ORDER
    shown = capsys.readouterr().out
    assert message in shown
    assert "all checks passed" not in shown


def test_too_few_rows_or_wrong_prediction_fails(chain, capsys):
    chain.rows = chain.rows.assign(rows=10)
    chain.moved = chain.moved.assign(prediction_error_fidelity=1e-3)
    with pytest.raises(typer.Exit):
        demo(chain.out)
    shown = capsys.readouterr().out
    assert "distributed: 60 rows are fewer than 100,000" in shown
    assert "the first layer is off its prediction by 1.0e-03" in shown


def test_interrupted_demo_prints_how_to_continue_and_continues(chain, capsys):
    chain.interrupt = "measure"
    with pytest.raises(KeyboardInterrupt):
        demo(chain.out)
    assert "The same command continues" in capsys.readouterr().out
    chain.interrupt = None
    chain.calls.clear()
    demo(chain.out)
    trained = [options for name, options in chain.calls if name == "train"]
    assert trained[0] == {"resume": True}
    assert trained[1]["schedule"] == "quintic"


def test_refuses_another_plan_and_fresh_starts_over(chain):
    demo(chain.out)
    with pytest.raises(InputError, match="holds a demo of 60 seconds, not 30"):
        demo(chain.out, seconds=30)
    mine = chain.out / "notes.txt"
    mine.write_text("kept")

    def plan(out, seconds):
        assert not (out / "distributed").exists()
        assert not (out / "demo.json").exists()
        return Plan(seconds, 3)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_new_plan", plan)
        demo(chain.out, seconds=30, fresh=True)
    assert mine.read_text() == "kept"


def test_refuses_and_keeps_a_folder_of_other_files(chain):
    chain.out.mkdir()
    (chain.out / "thesis.tex").write_text("")
    for fresh in (False, True):
        with pytest.raises(InputError, match="neither empty nor a demo folder"):
            demo(chain.out, fresh=fresh)
    assert [path.name for path in chain.out.iterdir()] == ["thesis.tex"]
    assert chain.calls == []


@pytest.mark.parametrize("text", ["{}", '{"seconds": 60, "steps": 0}', '{"seconds": "60", "steps": 9}'])
def test_refuses_malformed_plan(chain, text):
    chain.out.mkdir()
    (chain.out / "demo.json").write_text(text)
    with pytest.raises(InputError, match="not the plan of a demo"):
        demo(chain.out)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_refuses_seconds_out_of_range(tmp_path, seconds):
    with pytest.raises(DomainError, match="seconds"):
        demo(tmp_path / "demo", seconds=seconds)


@pytest.mark.slow
def test_real_demo_succeeds(tmp_path, capsys):
    demo(tmp_path / "demo", seconds=2)
    assert "all checks passed" in capsys.readouterr().out
