"""The statements as numeric functions: floats, arrays and exact sympy values."""
