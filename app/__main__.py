import sys

from app.importing import for_good

WRONG_USAGE = 2


def main() -> None:
    """Run the command line."""
    with for_good():
        from app.bootstrap import command_line  # noqa: PLC0415 - not before
        from app.settings import WrongSetting  # noqa: PLC0415 - not before
    try:
        command_line()()
    except WrongSetting as error:
        sys.stderr.write(f"tickgate: {error}\n")
        sys.exit(WRONG_USAGE)


if __name__ == "__main__":
    main()
