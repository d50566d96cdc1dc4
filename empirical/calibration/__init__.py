"""Chooses dials that keep a promised fidelity at little loss, and says what holds on text not yet seen."""
