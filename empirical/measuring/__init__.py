"""Measures a trained model beside its bounds, and times what that costs."""
