"""Run the command as `python -m mpimport`."""

from mpimport.cli import main

main()
