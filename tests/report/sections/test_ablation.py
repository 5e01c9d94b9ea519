"""Inactive units: our numbers beside KS table 1, and the control."""

import pytest
from drawn import points
from studies import captions, parameters, table_names

from receptive.artifacts.ablation import write_ablation
from receptive.report.sections.ablation import control_table, inactive_table, interval, section


def content(inactive=(3, 5)) -> dict:
    """inactive.json of a network; without inactive units nothing is measured on them."""
    some = bool(inactive)
    return {
        "alias": "max pool",
        "units": 8,
        "threshold": 0.0,
        "minibatch": 20,
        "weakest_maximum": 0.123,
        "inactive_units": list(inactive),
        "delta_loss": 0.5 if some else None,
        "delta_loss_interval": [0.4, 0.6] if some else None,
        "delta_loss_random": 0.02 if some else None,
        "delta_loss_random_interval": [0.01, 0.03] if some else None,
        "delta_loss_random_active": 0.3,
        "delta_loss_random_active_interval": [0.2, 0.4],
        "active_mean": 1.5,
        "control": {
            "images": 100,
            "units_each": 2,
            "units": [[0, 1], [2, 4]],
            "delta_loss": [0.7, 0.9],
            "mean": 0.8,
            "low": 0.7,
            "high": 0.9,
            "share_at_least_inactive": 0.5 if some else None,
            "inactive_delta_loss": 0.45 if some else None,
            "inactive_delta_loss_interval": [0.35, 0.55] if some else None,
        },
        "sweep": [
            {
                "sigma": 1.0,
                "control": [0.7],
                "delta_loss": 0.45 if some else None,
                "delta_loss_interval": [0.35, 0.55] if some else None,
            }
        ],
    }


def test_ks_table_1_stands_beside_our_numbers():
    table = inactive_table({"resnet34": content(), "vggcnn": content(())})
    ours, none = table.to_dict("records")
    assert (ours["inactive"], ours["dL"], ours["dL_rnd"], ours["remark"]) == (2, 0.5, 0.02, "")
    assert (ours["95% of dL"], ours["95% of dL_rnd"]) == ("[+4.00e-01, +6.00e-01]", "[+1.00e-02, +3.00e-02]")
    assert (ours["paper: inactive"], ours["paper: dL"], ours["paper: dL_rnd"]) == (
        13,
        1.26962,
        pytest.approx(2.4056e-2),
    )
    assert none["remark"] == "no inactive unit: the weakest reaches 0.12"
    assert table.loc[1, ["dL", "dL_rnd", "paper: dL"]].isna().all()
    assert interval(None) == ""


def test_the_control_lists_active_units_and_inactive_ones_on_the_same_images():
    table = control_table({"resnet34": content(), "vggcnn": content(())})
    assert table.iloc[0].to_dict() == {
        "network": "resnet34", "units noised": 2, "images": 100, "sets": 2, "inactive": 0.45,
        "95% of inactive": "[+3.50e-01, +5.50e-01]", "active: mean": 0.8, "active: low": 0.7, "active: high": 0.9,
        "sets at least as bad": 0.5, "one active per mini-batch": 0.3, "95% of one active": "[+2.00e-01, +4.00e-01]",
        "active: mean response": 1.5,
    }  # fmt: skip
    assert table.loc[1, ["inactive", "sets at least as bad"]].isna().all()


def test_the_section_shows_what_the_stage_left(write):
    for network in ("resnet34", "vggcnn"):
        write_ablation(network, content(), {})
    made = section(parameters("resnet34", "vggcnn"), write)
    assert table_names(made) == ["ks1_inactive_units", "ablation_control"]
    assert list(captions(made)) == ["ablation_control", "ablation_sweep"]
    assert "both on the same 100 images" in captions(made)["ablation_control"]
    assert "A unit is inactive when it stays at 0 everywhere" in made.text
    assert "every mini-batch of 20 images" in made.text
    axes = write.figures["ablation_control"].axes[0]
    assert axes.collections[0].get_offsets()[:, 0].tolist() == [0.7, 0.9]
    assert points(write.figures["ablation_sweep"].axes[0].lines[1]) == [[1.0, 0.45]]
    assert made.parts[0].rows[0][4:8] == ["+5.00e-01", "[+4.00e-01, +6.00e-01]", "+2.00e-02", "[+1.00e-02, +3.00e-02]"]
