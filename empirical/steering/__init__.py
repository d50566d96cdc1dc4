"""Rules at run time: strengths that keep promises in every row, attention steered by them, and what each firing did."""
