"""`python -m xbarch` is the command `xbarch`."""

from xbarch.cli import main

if __name__ == "__main__":
    main()
