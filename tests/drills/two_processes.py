"""A command of nightslate whose engine starts other processes for the least that there is to do."""

from nightslate.cli import main
from nightslate.engines import local

if __name__ == "__main__":
    local.FEW_ROWS = -1
    main()
