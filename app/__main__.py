import sys

from app.bootstrap import command_line
from app.settings import WrongSetting

WRONG_USAGE = 2


def main() -> None:
    """Run the command line."""
    try:
        command_line()()
    except WrongSetting as error:
        sys.exit(_wrong_usage(error))


def _wrong_usage(error: WrongSetting) -> int:
    sys.stderr.write(f"tickgate: {error}\n")
    return WRONG_USAGE


if __name__ == "__main__":
    main()
