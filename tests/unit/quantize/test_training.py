"""The history of a training, read back from Keras' log."""

import math

from l1trigger.quantize.training import read_history


def test_history_has_the_losses_to_the_last_bit_and_each_epoch_once(tmp_path):
    log = tmp_path / "history.csv"
    third, tenth = 1 / 3, 0.1 + 0.2
    log.write_text(f"epoch,loss,val_loss\n0,2.5,3.5\n1,9.0,9.0\n1,{third},{tenth}\n2,1e-07,0.25\n")
    assert read_history(log) == {"loss": [2.5, third, 1e-7], "val_loss": [3.5, tenth, 0.25]}


def test_what_was_not_measured_is_not_a_number(tmp_path):
    log = tmp_path / "history.csv"
    log.write_text("epoch,loss,lr\n0,2.5,0.1\n1,2.0,NA\n")
    history = read_history(log)
    assert history["loss"] == [2.5, 2.0] and history["lr"][0] == 0.1 and math.isnan(history["lr"][1])
