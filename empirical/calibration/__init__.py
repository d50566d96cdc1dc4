"""Chooses dials that keep a promised fidelity at the least loss, and says what holds on text not yet seen."""
