"""Decides a claim on one instance in exact or outward-rounded arithmetic."""
