"""`python -m mpimport.sandbox` is `mpimport-sandbox`."""

from mpimport.sandbox.cli import main

if __name__ == "__main__":
    main(prog_name="mpimport-sandbox")
