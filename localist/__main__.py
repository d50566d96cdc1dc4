"""`python -m localist`: the command line."""

from localist.cli import main

if __name__ == "__main__":
    main()
