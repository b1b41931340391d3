"""What chaos prints of a trial, and when it calls it failed."""

import pytest

from tests.faults.chaos import main
from tests.faults.checker import Report
from tests.faults.outcome import outcome, summary
from tests.faults.scenarios import SCENARIOS

WELL = Report(100, 100, 0, 100, 3, 0, 0, 0, 0, 0, 0, 0)
FIELDS = (
    "sent accepted delivered_unique delivered_dup handled_unique handled_dup denied dlq lost unaudited "
    "seals_ok pending recovery_s rss_peak"
)


def of(report):
    return outcome(report, sent=101, accepted=100, recovery=1.25, peak=64.0)


def test_a_trial_is_one_line_of_all_its_figures():
    line = of(WELL).line()
    assert [word.partition("=")[0] for word in line.split()] == FIELDS.split()
    assert "sent=101 accepted=100" in line
    assert "seals_ok=True pending=0 recovery_s=1.25" in line


def test_what_is_handled_twice_stands():
    assert of(WELL).stands


@pytest.mark.parametrize("field", ["lost", "unaudited", "pending", "broken", "delivered_dup"])
def test_what_no_fault_may_bring_about_does_not_stand(field):
    assert not of(WELL._replace(**{field: 1})).stands


def test_a_scenario_is_summed_up_by_its_worst_and_its_median():
    said = summary("F1", [of(WELL), of(WELL._replace(handled_dup=9)), of(WELL._replace(broken=1))])
    assert said.startswith("F1: 3 trials, seals_ok 2/3, worst/median lost=0/0 ")
    assert "handled_dup=9/3" in said


def test_a_scenario_is_played_and_its_trial_stands(anyio_backend, capsys):
    words = ["--only", "F21", "--trials", "1", "--messages", "100", "--backend", anyio_backend]
    assert main(words) == 0
    trial, total = capsys.readouterr().out.splitlines()
    assert trial.startswith(f"F21 {anyio_backend} seed=1 sent=")
    assert " lost=0 unaudited=0 seals_ok=True pending=0 " in trial
    assert total.startswith("F21: 1 trials, seals_ok 1/1")


def test_one_that_there_is_not_is_named_with_those_there_are(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--only", "F99"])
    said = capsys.readouterr().err
    assert "F99" in said
    assert all(name in said for name in SCENARIOS)
