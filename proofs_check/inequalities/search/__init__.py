"""Inequalities certified over whole boxes of reals by branch and bound, with certificates to replay."""
