"""Checkpoints: whose they are, what they keep, and what ends them."""

import errno
import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from halfseen.errors import FileFormatError, SettingError, TrainingWarning
from halfseen.testing.killed import Killed, killed_after
from halfseen.training import checkpoint as module
from halfseen.training.checkpoint import (
    Checkpoint,
    Kept,
    keeping,
    next_stage,
    remove_checkpoint,
    stage_files,
)
from halfseen.training.deck import Deck
from halfseen.training.loop import Phase, TrainConfig, train
from halfseen.training.resuming import GlobalRandomness


def make(seed=0):
    """A network with dropout and running moments, and losses that draw rows and noise."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1)
        )
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(1))
    deck = Deck(torch.arange(40), 7, torch.Generator().manual_seed(2))

    def loss():
        at = deck.deal()
        noise = torch.randn(7, generator=deck.generator)
        return {"square": (network.train()(x[at])[:, 0] - x[at].sum(1) - noise).square().mean()}

    def monitor():
        with torch.no_grad():
            return -(network.eval()(x)[:, 0] - x.sum(1)).square().mean()

    return network, Phase("p", list(network.parameters()), loss), monitor, deck


def run(folder, config, fingerprint="a"):
    """Train in two stages, the second from where the first ends."""
    network, phase, monitor, deck = make()
    histories = []
    checkpoint = None if folder is None else Checkpoint(folder, fingerprint, 0.0)
    with keeping(checkpoint), torch.random.fork_rng():
        torch.manual_seed(5)
        for _ in range(2):
            sources = [deck, GlobalRandomness()]
            histories.append(train(network, [phase], config, monitor, sources=sources))
    return network.state_dict(), histories


CONFIGS = {
    "plain": TrainConfig(max_steps=24, check_every=5, lr=0.01),
    "average": TrainConfig(max_steps=24, check_every=5, lr=0.01, average=0.9, clip_norm=0.5),
    "patience": TrainConfig(max_steps=300, check_every=2, lr=0.3, patience=2),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_every_place_to_be_killed_ends_with_the_same_bits(tmp_path, config):
    expected, histories = run(None, config)
    with killed_after(float("inf")) as count:
        run(tmp_path / "whole", config)
    assert count[0] > 20
    for n in range(1, count[0], max(1, count[0] // 4)):
        folder = tmp_path / str(n)
        with killed_after(n), pytest.raises(Killed):
            run(folder, config)
        state, again = run(folder, config)
        for name, tensor in expected.items():
            assert torch.equal(tensor, state[name]), (n, name)
        for one, other in zip(histories, again, strict=True):
            assert [{**row, "seconds": 0} for row in one.rows] == [
                {**row, "seconds": 0} for row in other.rows
            ]
            assert one.stopped == other.stopped


def test_a_fit_that_is_over_is_not_done_again(tmp_path):
    state, _ = run(tmp_path / "c", CONFIGS["plain"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", lambda *_: pytest.fail("It learned again."))
        again, _ = run(tmp_path / "c", CONFIGS["plain"])
    assert all(torch.equal(state[name], again[name]) for name in state)


def test_interrupts_are_not_taken_for_ends(tmp_path, monkeypatch):
    """After Ctrl-C later stages see another model than they would: none of them is kept."""
    config = CONFIGS["plain"]
    expected, _ = run(None, config)
    calls, deal = [0], Deck.deal

    def interrupted(self):
        calls[0] += 1
        if calls[0] == 10:
            raise KeyboardInterrupt
        return deal(self)

    monkeypatch.setattr(Deck, "deal", interrupted)
    with pytest.warns(TrainingWarning, match="interrupted"):
        _, histories = run(tmp_path / "c", config)
    assert [history.stopped for history in histories] == ["interrupted", "steps"]
    assert [path.name for path in stage_files(tmp_path / "c")] == ["stage-00000.safetensors"]
    state, _ = run(tmp_path / "c", config)
    assert all(torch.equal(expected[name], state[name]) for name in expected)


def test_folders_of_other_fits_are_refused(tmp_path):
    run(tmp_path / "c", CONFIGS["plain"])
    with pytest.raises(SettingError, match=r"another fit.*remove"):
        run(tmp_path / "c", CONFIGS["plain"], fingerprint="b")
    (tmp_path / "file").write_text("x")
    with pytest.raises(SettingError, match="is a file"):
        run(tmp_path / "file", CONFIGS["plain"])
    for every in (-1.0, float("nan"), "60", None):
        with pytest.raises(SettingError, match="checkpoint_every"):
            Checkpoint(tmp_path / "c", "a", every)
    # Another fit that has only begun, and folders in which nothing can be made.
    Checkpoint(tmp_path / "d", "a", 60.0)
    with pytest.raises(SettingError, match="another fit"):
        Checkpoint(tmp_path / "d", "b", 60.0)
    with pytest.raises(SettingError, match="Nothing can be kept"):
        Checkpoint(tmp_path / "no" / "folder", "a", 60.0)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    folder = tmp_path / "c"
    folder.mkdir()
    path = folder / "stage-00000.safetensors"
    for content in (b"", b"nonsense", b"\xff" * 100):
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match="no part of a checkpoint"):
            Checkpoint(folder, "a", 1.0)
    header = json.dumps({"format": 99, "fingerprint": "a"})
    save_file({"x": torch.zeros(1)}, path, metadata={"checkpoint": header})
    with pytest.raises(FileFormatError, match="format 1"):
        Checkpoint(folder, "a", 1.0)


def test_a_full_disk_does_not_end_training(tmp_path, monkeypatch):
    replacing = module.replacing

    def full(path):
        if "stage" not in path.name:
            return replacing(path)
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    expected, _ = run(None, CONFIGS["plain"])
    monkeypatch.setattr(module, "replacing", full)
    with pytest.warns(TrainingWarning, match=r"could not be written.*No space left") as said:
        state, _ = run(tmp_path / "c", CONFIGS["plain"])
    assert len(said) == 1
    assert all(torch.equal(expected[name], state[name]) for name in expected)


def test_outcomes_wait_until_they_are_due(tmp_path):
    checkpoint = Checkpoint(tmp_path / "c", "a", 3600.0)
    with keeping(checkpoint):
        tensor = torch.zeros(2)
        next_stage().keep(Kept({"x": tensor}, {}, done=True))
        tensor += 1
        assert not stage_files(tmp_path / "c")
    kept = Checkpoint(tmp_path / "c", "a", 3600.0).load(0)
    assert kept is not None
    assert kept.done
    assert kept.tensors["x"].tolist() == [0.0, 0.0]
    assert next_stage().load() is None


def test_halves_of_files_are_removed(tmp_path):
    """A fit that was killed while it wrote leaves them."""
    names = [".fingerprint.48590fe6c79c.tmp", ".stage-000.safetensors.48590fe6c79c.tmp"]
    for end in ("a fit that kept something", "its removal"):
        folder = tmp_path / "c"
        checkpoint = Checkpoint(folder, "mine", 0)
        for name in names:
            (folder / name).write_bytes(b"half")
        if end == "its removal":
            remove_checkpoint(folder)
            assert not folder.exists()
        else:
            checkpoint.next_stage().keep(Kept({"x": torch.zeros(1)}, {}, True))
            checkpoint.finish()
            assert not list(folder.glob(".*"))
