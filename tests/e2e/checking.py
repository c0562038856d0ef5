"""What every test's statement goes through."""


def check(condition, message):
    if not condition:
        raise AssertionError(message)
