"""A sweep with a wrong plan, a full disk or damaged files ends in one clear line and can be continued."""

import shutil
import sys

import pytest
from failing import SHAPE, full, sweep_file, truncate
from tiny import one_thread  # noqa: F401

from empirical.training.checkpoints import SEAL_NAME
from empirical.training.train import LocalistTrainer
from localist import cli

MISSING_WEIGHTS = 'pretrained = "nobody-has/a-model-of-this-name"\n[locality]\nblock = 4'


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("block = 4", "block = 40"), "block 40 must be below the context 32"),
        (("steps = 2\nbatch = 2\n[training]", "steps = 2\nlearning_rate = 1e30\n[training]"), "smaller learning rate"),
        (("context = 32", "context = 20000"), "fewer than the context"),
        ((SHAPE, 'pretrained = "nobody-has/a-model-of-this-name"'), "base is not trained if the tasks start from"),
        ((f"{SHAPE}\n[locality]\nblock = 4\n[base]\nsteps = 2\nbatch = 2", MISSING_WEIGHTS), "cannot be reached"),
    ],
)
def test_sweep_refuses_a_wrong_plan(tmp_path, line, text, monkeypatch, change, message):
    for module in ("model", "training.corpus"):
        monkeypatch.setattr(f"empirical.{module}.hub_is_reachable", lambda: False)
    path = sweep_file(tmp_path, text)
    path.write_text(path.read_text().replace(*change))
    assert message in line("sweep", path, tmp_path / "out")


def test_sweep_continues_once_the_disk_has_room(tmp_path, line, text, monkeypatch):
    path = sweep_file(tmp_path, text)
    whole = LocalistTrainer._save_checkpoint

    def later(self, *args, **kwargs):
        if "quintic" in str(self.args.output_dir):
            with monkeypatch.context() as broken:
                broken.setattr("transformers.trainer.Trainer._save_rng_state", full)
                return whole(self, *args, **kwargs)
        return whole(self, *args, **kwargs)

    with monkeypatch.context() as broken:
        broken.setattr(LocalistTrainer, "_save_checkpoint", later)
        assert "1 of 2 tasks failed" in line("sweep", path, tmp_path / "out")
    with monkeypatch.context() as broken:
        broken.setattr("pathlib.Path.write_bytes", full)
        assert "cannot write" in line("sweep", path, tmp_path / "out")
    monkeypatch.setattr(sys, "argv", ["localist", "sweep", str(path), str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0


def localist_again(path, out, monkeypatch):
    """Runs the sweep's command again; it must succeed."""
    monkeypatch.setattr(sys, "argv", ["localist", "sweep", str(path), str(out)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0


def test_sweep_refuses_a_damaged_base_or_text(tmp_path, line, text, monkeypatch):
    path = sweep_file(tmp_path, text)
    monkeypatch.setattr(sys, "argv", ["localist", "sweep", str(path), str(tmp_path / "out")])
    with pytest.raises(SystemExit):
        cli.main()
    shutil.rmtree(tmp_path / "out" / "tasks")
    before = text.read_text()
    text.write_text(before + "More.")
    assert "was started on another text" in line("sweep", path, tmp_path / "out")
    text.write_text(before)
    localist_again(path, tmp_path / "out", monkeypatch)
    task = sorted((tmp_path / "out" / "tasks").iterdir())[0]
    weights = (task / "model.safetensors").read_bytes()
    (task / "model.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    assert f"{task.name}/model.safetensors was changed" in line("sweep", path, tmp_path / "out")
    (task / "model.safetensors").write_bytes(weights)
    localist_again(path, tmp_path / "out", monkeypatch)
    shutil.rmtree(tmp_path / "out" / "tasks")
    truncate(tmp_path / "out" / "base" / "model.safetensors")
    assert "base/model.safetensors was changed: SHA-256" in line("sweep", path, tmp_path / "out")
    (tmp_path / "out" / "base" / SEAL_NAME).unlink()
    assert "2 of 2 tasks failed, first" in line("sweep", path, tmp_path / "out")
