"""The methods that decide a statement: symbolic, random and adversarial; and attacks on a user's own claim."""
